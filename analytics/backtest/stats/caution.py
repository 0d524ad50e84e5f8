"""Cautions beside the figures of a run: what is too short, or too few, to mean much."""

from __future__ import annotations

from collections.abc import Mapping

from stockstream.analytics.backtest.stats.series import YEAR

MIN_TRADES = 30
"""With fewer closed trades, win rate and profit factor are mostly chance: the usual minimum sample."""


def cautions(sessions: int, metrics: Mapping[str, float | None]) -> list[str]:
    """Return sentences about figures that should not be relied upon; empty if there is no reason for caution.

    Args:
        sessions: number of sessions of the run.
        metrics: the figures of `summary`.
    """
    texts = []
    if 0 < sessions < YEAR:
        texts.append(
            f"{sessions} {'session is' if sessions == 1 else 'sessions are'} less than a year ({YEAR}): annual "
            "returns, volatility and the ratios of them "
            "extrapolate, and say little about other times."
        )
    trades = int(metrics.get("trades") or 0)
    if 0 < trades < MIN_TRADES:
        texts.append(
            f"{trades} closed {'trade is' if trades == 1 else 'trades are'} few: with fewer than {MIN_TRADES}, win "
            "rate, profit factor and averages are mostly chance."
        )
    if count := int(metrics.get("open_positions") or 0):
        texts.append(
            f"{count} {'position is' if count == 1 else 'positions are'} still open at the end, valued at the last "
            f"close: a profit so far of {metrics.get('open_pnl') or 0.0:,.2f} is in the equity, but not in the figures "
            "of closed trades."
        )
    return texts
