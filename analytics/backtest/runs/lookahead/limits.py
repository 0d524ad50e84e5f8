"""What the check for look-ahead cannot see of a strategy, in sentences."""

from __future__ import annotations

from stockstream.analytics.backtest.model import Setup
from stockstream.analytics.backtest.runs.lookahead.recipes import Recipe, clock_readings, shared_names
from stockstream.analytics.backtest.runs.lookahead.tasks import Report
from stockstream.analytics.backtest.runs.lookahead.verdict import Verdict


def unseen(whole: Report, verdict: Verdict, recipe: Recipe, setup: Setup) -> tuple[str, ...]:
    """Return what the check cannot see, in sentences; `whole` is the run on a copy of the whole lake."""
    sentences = [
        f"A look at the next sessions that has an effect only on other days than these {len(verdict.days)}.",
        "Hindsight in the choice of the strategy, its parameters"
        f"{', and the symbols, which are named' if setup.symbols else ''}.",
        "Bars in the strategy's own source, and in installed packages.",
    ]
    if not whole.is_confined:
        sentences.append("Files that are read by other code than Python and DuckDB: this system cannot refuse them.")
    if whole.refused:
        sentences.append(f"It was refused {', '.join(whole.refused)}, and decided the same without.")
    if recipe.make is not None:
        names = ", ".join(shared_names(recipe.make)) or "none"
        sentences.append(
            f"The objects of this process that the strategy uses ({names}): no other process can import it. "
            "Write it to a file, and check that as my.py:MyStrategy."
        )
    if recipe.file is not None and (places := list(clock_readings(recipe.file))):
        sentences.append(f"What it makes of the clock ({', '.join(places)}), which is the same in all runs.")
    return tuple(sentences)
