"""The one interface of everything that bars come from. The next source is one file with one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from stockstream.pipeline.listings.base import ListingsSource


@dataclass(frozen=True)
class Window:
    """The sessions asked for of one symbol; both ends are included."""

    symbol: str
    start: date
    end: date


@dataclass(frozen=True)
class Answer:
    """What a source says to some of the windows.

    `bars` is a relation on the connection that `fetch` was given. It has the columns symbol, date, open, high, low,
    close, volume, adjusted_close, dividend, split_ratio, price_basis, by name, in any order; a column left out is NULL.
    dividend 0 and split_ratio 1 say "none that day", NULL says "this source does not know". Prices that are no number,
    rows outside the window and the bar of a session still open may be in it: the step deals with them.

    `symbols` are those answered, with bars or without (an answer without bars is "nothing in that window", no failure).
    `failed` maps each symbol that could not be had to the reason, in words for a person.
    """

    symbols: tuple[str, ...]
    bars: DuckDBPyRelation | None = None
    failed: dict[str, str] = field(default_factory=dict)


class Source(ABC):
    """A place that bars come from."""

    name: ClassVar[str]
    concurrency: ClassVar[int] = 10
    """How many batches one process may ask for at once."""
    basis_is_told: ClassVar[bool] = False
    """True where a person says which splits are in the prices, and may come back to correct that."""
    batch_size: int = 100
    """How many symbols make a batch."""

    @abstractmethod
    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer every window once, in any order; one symbol's failure is part of an answer.

        Raises:
            RateLimited: the source keeps refusing; the windows not answered yet are given up for this run.
        """

    def listings(self) -> ListingsSource | None:
        """Give the source's own list of symbols; None where the market's exchange is to be asked."""
        return None
