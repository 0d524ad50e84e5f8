"""The interface of every source of bars."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, Self

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.listings.base import ListingsSource
from stockstream.pipeline.markets import Market


@dataclass(frozen=True)
class Window:
    """A request for the sessions of one symbol from `start` to `end`, both included."""

    symbol: str
    start: date
    end: date


@dataclass(frozen=True)
class Answer:
    """A source's answer to one or more windows.

    `bars` is a relation on the connection that `fetch` received. Its columns, matched by name, are symbol, date, open,
    high, low, close, volume, adjusted_close, dividend, split_ratio and price_basis; a missing column is NULL. A source
    that reads files adds `file` and `line`, the place of the row.
    Dividend 0 and split_ratio 1 mean "none on that day", NULL means "this source does not report them". Prices that are
    not numbers, rows outside the window and the bar of an open session are allowed: the step filters them.

    `cells` is a relation of the values that the source has received and that could not be read as a value of their
    column: the columns of schema/quarantine.sql but `source` and `fetch_timestamp`. `symbol` and `date` are NULL where
    they could not be read either; `column_name` is NULL for a row that is left out as a whole.

    `symbols` were answered, with or without bars: an answer without bars means that the window is empty.
    A price_basis is not after the day of the fetch, whatever future events the source lists.
    `failed` maps each symbol without an answer to a reason that a person can read.
    """

    symbols: tuple[str, ...]
    bars: DuckDBPyRelation | None = None
    failed: dict[str, str] = field(default_factory=dict)
    cells: DuckDBPyRelation | None = None


class Source(ABC):
    """A source of daily bars."""

    name: ClassVar[str]
    """The module's name, which is stored with every row."""
    markets: ClassVar[tuple[str, ...] | None] = None
    """Names of the markets that the source has; None: all."""
    on_lambda: ClassVar[bool] = False
    """True if the source may run on Lambda: it needs nothing but the network and the settings."""
    concurrency: ClassVar[int] = 10
    """Maximum number of batches that one process requests at the same time."""
    basis_is_declared: ClassVar[bool] = False
    """True if a person declares which splits are in the prices, and may correct that by another import."""
    batch_size: int = 100
    """Symbols per batch."""

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source for a market. `argument` is what follows the colon in `--source name:argument`.

        `options` are the options of `stockstream run` that name a source in their help; ignore those of other sources.
        A source without settings need not override this.

        Raises:
            UsageError: a setting is missing, or the argument or an option is wrong.
        """
        return cls()

    @abstractmethod
    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer every window once, in any order. The failure of one symbol is part of an answer.

        Raises:
            RateLimited: the source keeps refusing; the run skips the windows that are not answered yet.
        """

    def address(self) -> str | None:
        """Return the URL of the server that is asked, for `stockstream doctor`; None if none is."""
        return None

    def listings(self) -> ListingsSource | None:
        """Return the source's own list of symbols; None if the market's exchange publishes the list."""
        return None

    def notes(self) -> list[str]:
        """Return what a person should know about the answers so far, such as columns and files that are not used."""
        return []
