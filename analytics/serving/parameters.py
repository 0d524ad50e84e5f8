"""Parameters of the query string, as msgspec structs: types, limits, and errors that name the parameter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from stockstream.analytics.prices import Adjustment, Timeframe
from stockstream.analytics.serving.problems import Problem
from stockstream.pipeline.symbols import matching, split_symbols
from stockstream.sql.errors import UsageError, did_you_mean

Limit = Annotated[int, Meta(ge=1, le=10_000, description="Rows of a page.")]
SymbolList = Annotated[str, Meta(description="Symbols, with commas between them; none: all.", examples=["BHP,CBA"])]
Start = Annotated[date, Meta(description="First day.")]
End = Annotated[date, Meta(description="Last day.")]
PageToken = Annotated[str, Meta(description="The next_page_token of the page before.")]


class Query(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The parameters of an endpoint; without fields, it has none."""


class Paged(Query, kw_only=True):
    """Parameters of an endpoint with pages."""

    start: Start | None = None
    end: End | None = None
    limit: Limit = 1000
    page_token: PageToken | None = None

    def __post_init__(self) -> None:
        if self.start and self.end and self.end < self.start:
            raise ValueError("end is before start")


class OneSymbolBars(Paged, kw_only=True):
    """Parameters of one symbol's bars."""

    timeframe: Annotated[Timeframe, Meta(description="1d, n sessions, a week or a month.")] = "1d"
    adjustment: Annotated[
        Adjustment, Meta(description="raw: as traded; split: in today's shares; all: total returns.")
    ] = "split"


class Bars(OneSymbolBars, kw_only=True):
    """Parameters of the bars of several symbols."""

    symbols: SymbolList | None = None


class Indicators(Paged, kw_only=True):
    """Parameters of one symbol's indicators."""

    names: (
        Annotated[str, Meta(description="Indicators, with commas between them; none: those that the lake stores.")]
        | None
    ) = None
    adjustment: Annotated[Literal["split", "all"], Meta(description="The prices they are computed from.")] = "split"


class Backtest(Query, kw_only=True):
    """Parameters of a backtest's rows."""

    table: Annotated[
        Literal["figures", "trades", "transactions", "equity"], Meta(description="Which rows of the backtest.")
    ] = "figures"


class SignalsPage(Query, kw_only=True):
    """Parameters of the page of signals."""

    date: date | None = None


class AlertsPage(Query, kw_only=True):
    """Parameters of the page of alerts."""

    session: date | None = None


class Compare(Query, kw_only=True):
    """Parameters of the page that compares symbols."""

    symbols: str = ""
    start: date | None = None


class SymbolPage(Query, kw_only=True):
    """Parameters of a symbol's page."""

    timeframe: Timeframe = "1d"
    adjustment: Adjustment = "split"
    names: str | None = None


class Screen(Query, kw_only=True):
    """Parameters of the screener."""

    where: Annotated[
        str, Meta(description="Conditions, with commas between them.", examples=["rsi_14<30,value>1000000"])
    ] = ""
    order: Annotated[str, Meta(description="A column; with - before it, the largest first.")] = "symbol"


class Actions(Paged, kw_only=True):
    """Parameters of dividends and splits."""

    symbols: SymbolList | None = None


class Signals(Query, kw_only=True):
    """Parameters of the signals of a day."""

    date: Annotated[date, Meta(description="The day; none: the newest one.")] | None = None
    symbols: SymbolList | None = None


class Sql(Query, kw_only=True):
    """The form of a query in SQL."""

    sql: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=20_000,
            description="One SELECT, in DuckDB's SQL.",
            examples=["FROM rsi('bars_adjusted', 14)"],
        ),
    ]
    limit: Annotated[
        int, Meta(ge=1, le=100_000, description="Rows of the answer, which says whether there are more.")
    ] = 10_000


class Live(Query, kw_only=True):
    """Parameters of live bars."""

    symbols: SymbolList | None = None


class Stream(Query, kw_only=True):
    """Parameters of a stream of live bars."""

    symbols: Annotated[str, Meta(description="Symbols, with commas between them; none: no bars.")] | None = None
    interval: Annotated[float, Meta(ge=0.25, le=60, description="Seconds between messages, at least.")] = 1.0
    ticket: Annotated[str, Meta(description="From POST /v1/tickets, in place of a header with a key.")] | None = None


QueryType = TypeVar("QueryType", bound=Query)


def parsed(kind: type[QueryType], items: Iterable[tuple[str, str]]) -> QueryType:
    """Return the parameters of a query string.

    Raises:
        Problem: one is unknown, there twice, or not of its type (422).
    """
    values: dict[str, str] = {}
    for name, value in items:
        if name not in kind.__struct_fields__:
            hint = did_you_mean(name, kind.__struct_fields__) or f"; there are {', '.join(kind.__struct_fields__)}"
            raise Problem(422, f"{name}: there is no such parameter{hint}", parameter=name)
        if name in values:
            raise Problem(422, f"{name} is there twice", parameter=name)
        values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`")
        if not name:
            raise Problem(422, reason) from None
        raise Problem(422, f"{name}: {_plain(reason)}", parameter=name) from None


def _plain(reason: str) -> str:
    """Return msgspec's reason in the words of this interface."""
    return "write YYYY-MM-DD" if "date" in reason else reason[0].lower() + reason[1:].replace("`", "")


def symbols_of(text: str | None, stored: frozenset[str]) -> tuple[str, ...]:
    """Return the symbols that a list means, sorted; none for no list.

    Raises:
        Problem: a text is no symbol (422), or there are no bars of it (404).
    """
    if text is None:
        return ()
    try:
        names = split_symbols(text, "symbols")
    except UsageError as error:
        raise Problem(422, str(error), parameter="symbols") from None
    if stored.issuperset(names):
        return tuple(sorted(names))
    try:
        return tuple(sorted(matching(names, stored, "there are no bars of {names}")))
    except UsageError as error:
        raise Problem(404, str(error)) from None
