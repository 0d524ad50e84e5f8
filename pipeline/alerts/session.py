"""The alerts of a session: what the live rules say, less what has been alerted before, to the notifier.

A stream and the Lambda function `publish_live` use this class; it alerts about nothing twice, whichever of them runs
again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from stockstream.pipeline.alerts.evaluation import Evaluation, FeedState
from stockstream.pipeline.alerts.levels import Levels, read_levels
from stockstream.pipeline.alerts.memory import AlertMemory
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.notifier import Notifier
from stockstream.pipeline.alerts.rules import Rule, find_rules
from stockstream.pipeline.lake import Lake

RECENT = 20
"""Alerts in the status."""


@dataclass(frozen=True)
class Choice:
    """Which rules run, on which levels."""

    paths: tuple[Path, ...] = ()
    """Files and folders with further rules."""
    levels: Path | None = None
    """A file with levels; None: that of the lake."""

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules; see `find_rules`, also for the errors."""
        return find_rules(*self.paths)


class SessionAlerts:
    """Evaluates the rules of a session, remembers what is new, and delivers it. Any thread may call `evaluate`."""

    def __init__(self, lake: Lake, session: date, choice: Choice | None = None) -> None:
        """Read the rules, the levels and the memory, bind the rules, and deliver what an earlier process could not.

        Raises:
            UsageError: a file or folder of the choice cannot be read.
            LakeError: the lake cannot be read.
        """
        choice = choice or Choice()
        rules = choice.rules()
        self.levels: Levels = read_levels(lake, choice.levels)
        self._lock = threading.Lock()
        self.memory = AlertMemory(lake, str(session))
        self.memory.load()
        self._evaluation = Evaluation(lake, session, rules, self.levels.levels)
        self._cooldowns = {rule.name: rule.header.cooldown for rule in rules if rule.header is not None}
        self.new: list[Alert] = []
        """The alerts of this process."""
        self.evaluations = 0
        self.notifier = Notifier(self.memory)
        self.notifier.send([replace(one.alert, channels=one.waits_for) for one in self.memory.undelivered])

    def evaluate(self, feed: FeedState, rows: Any = None) -> list[Alert]:
        """Run the rules once; return the new alerts, which are remembered and on their way.

        `rows` are the live bars, as an Arrow table with the columns of the view `live`; None: those of the session's
        newest state in the lake.

        Raises:
            LakeError: the lake cannot be read or written.
        """
        with self._lock:
            if rows is None:
                self._evaluation.use_lake()
            else:
                self._evaluation.use_rows(rows)
            remembered = {one for one in self.memory.keys if self._cooldowns.get(one[0]) is None}
            new = self.memory.add(self._evaluation.evaluate(feed, remembered), self._cooldowns)
            self.evaluations += 1
            self.new += new
        self.notifier.send(new)
        return new

    @property
    def errors(self) -> list[str]:
        """What is wrong with rules and levels, each with file and line."""
        return [*self._evaluation.errors.values(), *self.levels.problems]

    @property
    def waiting(self) -> dict[str, str]:
        """The rules that cannot run yet, with the reason."""
        return self._evaluation.waiting

    def status(self) -> dict[str, Any]:
        """Return the numbers of the session's alerts so far."""
        remembered = self.memory.alerts
        return {
            "rules": len(self._evaluation.rules),
            "new": len(self.new),
            "in_session": len(remembered),
            "by_rule": dict(sorted(Counter(one.alert.rule for one in remembered).items())),
            "recent": [asdict(alert) for alert in self.new[-RECENT:]],
            "errors": self.errors,
            "waiting": self.waiting,
            "evaluations": self.evaluations,
            "delivery": {name: asdict(report) for name, report in self.notifier.status().items()},
        }

    def close(self) -> None:
        """Wait a few seconds for outstanding deliveries, and close the connection."""
        self.notifier.close()
        with self._lock:
            self._evaluation.close()


def lines(alerts: Sequence[Alert]) -> list[str]:
    """Return alerts as lines for people."""
    return [f"{one.at[11:19]}  {one.severity:8}  {one.rule}: {one.message}" for one in alerts]
