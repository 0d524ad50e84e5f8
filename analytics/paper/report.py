"""What the last step of an account has to report: an error, and how the account compares with a backtest now."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from stockstream.analytics.paper.account import FORMAT


class Difference(BaseModel):
    """A session of which the lake now says something else than it did when the account took its step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    session: date
    symbols: tuple[str, ...]
    """Those whose prices, actions or columns are others now, that are new or gone."""
    account_equity: float | None
    """None: the account has no such session."""
    backtest_equity: float | None
    """None: the lake has no such session any more."""


class Comparison(BaseModel):
    """An account beside the backtest of the same days on a generation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    generation: int
    session: date
    """The last session compared."""
    differences: tuple[Difference, ...]
    """Sessions with other inputs, the oldest first; at most `MAX_DIFFERENCES`."""
    different_sessions: int
    """All of them."""
    first_other_equity: date | None
    """The first session in which account and backtest have another equity, or other fills or orders."""
    account_equity: float
    backtest_equity: float | None
    """None: the backtest fails."""
    backtest: tuple[tuple[date, float], ...]
    """The equity of the backtest per session, if it is another one than the account's."""
    error: str | None
    """Why the backtest could not be run to its end."""

    @property
    def is_equal(self) -> bool:
        """Whether the account is what the backtest would be now, to the last bit."""
        return not (self.different_sessions or self.first_other_equity or self.error)


class Report(BaseModel):
    """The report of a step; it is replaced by the next one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    at: str
    """ISO 8601, UTC."""
    generation: int
    """The generation that the step has read."""
    session: date | None
    """The last session of the account after the step."""
    error: str | None
    """Why the account could not go on."""
    notes: tuple[str, ...] = ()
    comparison: Comparison | None
    """None: there was nothing to compare, or the step failed before."""
