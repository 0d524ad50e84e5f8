"""A check for look-ahead: a strategy decides the same on lakes that end on the day of the decision.

verification.py runs the check; cut_days.py chooses the days, copies.py writes the lakes, processes.py and tasks.py run
the strategy on them, confinement.py and landlock.py keep it away from everything else, comparison.py compares.
"""

from stockstream.analytics.backtest.runs.lookahead.verdict import Outcome, Verdict
from stockstream.analytics.backtest.runs.lookahead.verification import verify

__all__ = ["Outcome", "Verdict", "verify"]
