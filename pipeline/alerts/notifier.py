"""The notifier: takes alerts and delivers them over their channels, in the background."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from stockstream.pipeline.alerts.channels import Channel, open_channel
from stockstream.pipeline.alerts.delivery import Attempts, Worker
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.outbox import Outbox
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import StockStreamError

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0


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
        self._unusable: dict[str, str] = {}
        """Reason per channel that cannot be opened."""
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

    def status(self) -> dict[str, dict[str, Any]]:
        """Return per channel the numbers of alerts `delivered`, `waiting` and `failed`, of messages, and the reasons.

        A channel that cannot be used has `unusable`, the reason.
        """
        report = {name: _report(worker) for name, worker in self._workers.items()}
        for name, reason in self._unusable.items():
            report[name] = {"delivered": 0, "waiting": 0, "failed": self._not_sent[name], "unusable": reason}
        return report

    def close(self, seconds: float = CLOSE_SECONDS) -> dict[str, dict[str, Any]]:
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
            if one["waiting"]:
                logger.warning("alerts by %s: %s were not delivered before the end", name, one["waiting"])
        return report

    def _worker(self, name: str) -> Worker | None:
        """Return the worker of a channel, which is opened when it is first needed; None if it cannot be."""
        if name not in self._workers and name not in self._unusable:
            try:
                self._workers[name] = Worker(self._open(name), self._outbox, self._attempts)
            except StockStreamError as error:
                self._unusable[name] = str(error)
            except Exception as error:
                self._unusable[name] = f"{name} cannot be opened ({type(error).__name__})"
            if name in self._unusable:
                logger.warning("alerts are not sent by %s: %s", name, self._unusable[name])
        return self._workers.get(name)

    def _open(self, name: str) -> Channel:
        return open_channel(name)


def _report(worker: Worker) -> dict[str, Any]:
    counts = worker.counts
    return {
        "delivered": counts.delivered,
        "waiting": worker.waiting,
        "failed": sum(counts.failures.values()),
        "messages": counts.messages,
        "digests": counts.digests,
        "retries": counts.retries,
        "unrecorded": counts.unrecorded,
        "reasons": dict(counts.failures),
        "answer": worker.channel.answer() if counts.delivered else None,
    }
