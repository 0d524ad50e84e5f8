"""A rule on a past day: the day's bars as traded are the live bars, and what is carried is as it was before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from stockstream.pipeline.alerts.evaluation import Evaluation, FeedState
from stockstream.pipeline.alerts.levels import read_levels
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.rules import Rule
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import Lake
from stockstream.sql.loader import load

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

    Raises:
        UsageError: the lake has no bar of this day, the rule runs on no live bars, or the levels cannot be read.
        LakeError: the lake cannot be read.
    """
    if rule.header is not None and rule.header.runs != "live":
        raise UsageError(f"{rule.name} runs after a publication, not on live bars: `stockstream alerts send` runs it")
    market = lake.market()
    closes = market.schedule(day.year).loc[str(day)]["close"].timestamp() if market and market.is_session(day) else None
    if closes is None:
        raise UsageError(f"--at {day}: the market is closed on that day")
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
