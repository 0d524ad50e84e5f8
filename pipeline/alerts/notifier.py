"""The notifier: takes alerts and delivers them over their channels, in the background."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from stockstream.pipeline.alerts.channels import NotConfigured, open_channel
from stockstream.pipeline.alerts.delivery import Attempts, Worker
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.outbox import Outbox
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import StockStreamError

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0


@dataclass(frozen=True)
class ChannelReport:
    """What a channel has done; all numbers but `messages` and `digests` are of alerts."""

    delivered: int = 0
    waiting: int = 0
    """Not delivered yet, or not certainly."""
    failed: int = 0
    """Given up, for the `reasons`."""
    not_configured: int = 0
    """Not sent because the channel lacks a setting."""
    messages: int = 0
    digests: int = 0
    retries: int = 0
    unrecorded: int = 0
    """Delivered, but that could not be stored: they may be delivered again."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Alerts that were not sent, by reason."""
    answer: str | None = None
    """What the receiver has answered last."""

    @property
    def is_complete(self) -> bool:
        """Whether everything was delivered that could be, and nothing will be delivered again."""
        return not (self.waiting or self.failed or self.unrecorded)


class Notifier:
    """Delivers alerts. Each channel has its own thread, so that one that hangs does not delay the others.

    An alert is delivered at least once over each of its channels, or counted with the reason. `outbox` remembers
    deliveries; without one they are not remembered. `attempts` is the maximum per alert; None: until `close`.
    """

    def __init__(self, outbox: Outbox | None = None, attempts: int | None = None) -> None:
        values = settings()
        self._outbox = outbox
        self._attempts = Attempts(attempts, values.retry_wait, values.retry_wait_max)
        self._workers: dict[str, Worker] = {}
        self._unusable: dict[str, StockStreamError] = {}
        """Per channel that cannot be opened, why."""
        self._not_sent: Counter[str] = Counter()
        """Alerts per channel that cannot be opened."""

    def send(self, alerts: Sequence[Alert]) -> None:
        """Take alerts; return at once. No failure of a channel raises an error: `status` and `close` have them."""
        by_channel: dict[str, list[Alert]] = {}
        for alert in alerts:
            for name in dict.fromkeys(alert.channels):
                by_channel.setdefault(name, []).append(alert)
        for name, chosen in by_channel.items():
            worker = self._worker(name)
            if worker is None:
                self._not_sent[name] += len(chosen)
            else:
                worker.add(chosen)

    def status(self) -> dict[str, ChannelReport]:
        """Return per channel what it has done so far."""
        report = {name: _report(worker) for name, worker in self._workers.items()}
        return report | {name: self._report_without(name, error) for name, error in self._unusable.items()}

    def close(self, seconds: float = CLOSE_SECONDS) -> dict[str, ChannelReport]:
        """Wait for what is outstanding, at most so many seconds; return the last `status`.

        What is `waiting` then has not been delivered, or its delivery is not certain: it stays in the record.
        """
        deadline = time.monotonic() + seconds
        for worker in self._workers.values():
            worker.close()
        for worker in self._workers.values():
            worker.stop(deadline)
        report = self.status()
        for name, one in report.items():
            if one.waiting:
                logger.warning("alerts by %s: %d were not delivered before the end", name, one.waiting)
        return report

    def _worker(self, name: str) -> Worker | None:
        """Return the worker of a channel, which is opened when it is first needed; None if it cannot be."""
        if name not in self._workers and name not in self._unusable:
            try:
                self._workers[name] = Worker(open_channel(name), self._outbox, self._attempts)
            except StockStreamError as error:
                self._unusable[name] = error
            except Exception as error:  # a defect of the channel must not end a stream
                self._unusable[name] = StockStreamError(f"{name} cannot be opened ({type(error).__name__})")
            if name in self._unusable:
                logger.warning("alerts are not sent by %s: %s", name, self._unusable[name])
        return self._workers.get(name)

    def _report_without(self, name: str, error: StockStreamError) -> ChannelReport:
        count = self._not_sent[name]
        if isinstance(error, NotConfigured):
            return ChannelReport(not_configured=count, reasons={str(error): count})
        return ChannelReport(failed=count, reasons={str(error): count})


def _report(worker: Worker) -> ChannelReport:
    counts = worker.counts
    return ChannelReport(
        delivered=counts.delivered,
        waiting=worker.waiting,
        failed=sum(counts.failures.values()),
        messages=counts.messages,
        digests=counts.digests,
        retries=counts.retries,
        unrecorded=counts.unrecorded,
        reasons=dict(counts.failures),
        answer=worker.channel.answer() if counts.delivered else None,
    )
