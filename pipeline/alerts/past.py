"""A rule on a past day: the day's bars as traded are the live bars, and what is carried is as it was before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from stockstream.pipeline.alerts.batch import evaluate
from stockstream.pipeline.alerts.evaluation import Evaluation, FeedState
from stockstream.pipeline.alerts.levels import read_levels
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.rules import Rule
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import Lake
from stockstream.sql.loader import load
from stockstream.sql.session import explained

LIVE_BARS = "steps/bars_as_live"


@dataclass(frozen=True)
class Past:
    """What a rule would have alerted about."""

    alerts: list[Alert]
    bars: int
    """The bars of the day."""
    problems: list[str]
    """What is wrong with the rule or with levels, each with file and line."""


def run_on(lake: Lake, rule: Rule, day: date, levels: Path | None = None) -> Past:
    """Run a rule on the bars of a day in the lake, as if they were live at the end of the session.

    A rule that runs after a publication runs on the published bars of that day.

    Raises:
        UsageError: the lake has no bar of this day, or the levels cannot be read.
        LakeError: the lake cannot be read.
    """
    market = lake.market()
    closes = market.schedule(day.year).loc[str(day)]["close"].timestamp() if market and market.is_session(day) else None
    if closes is None:
        raise UsageError(f"--at {day}: the market is closed on that day")
    if rule.header is not None and rule.header.runs == "batch":
        return _of_batch(lake, rule, day, datetime.fromtimestamp(closes, UTC))
    chosen = read_levels(lake, levels)
    evaluation = Evaluation(lake, day, [rule], chosen.levels, recompute=True)
    try:
        bars = evaluation.use_query(load(LIVE_BARS).body.rstrip().rstrip(";"), {"session": day})
        if not bars:
            raise UsageError(f"--at {day}: the lake has no bars of that day")
        alerts = evaluation.evaluate(FeedState(clock=closes, newest=closes, symbols=bars))
        problems = [*evaluation.errors.values(), *(chosen.problems if "levels" in rule.reads else ())]
        return Past(alerts, bars, problems)
    finally:
        evaluation.close()


def _of_batch(lake: Lake, rule: Rule, day: date, close: datetime) -> Past:
    with explained(lake.uri), lake.session() as con:
        bars = int(con.execute("SELECT count(*) FROM bars WHERE date = $day", {"day": day}).fetchall()[0][0])
        if not bars:
            raise UsageError(f"--at {day}: the lake has no bars of that day")
        alerts, errors = evaluate(con, [rule], day, close)
    return Past(alerts, bars, list(errors.values()))
