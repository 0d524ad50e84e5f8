"""Columns that derive from others: lags and histories, and those of weekly, monthly or n-session bars.

`lag(close, 5)` is the close five bars ago and `history(rsi_14, 20)` an array of the last 20 values, both on the price
scale of the row's day; `weekly(sma(20))` is the average over the weeks that are finished at the close of the row's day;
`is_listed` is whether `symbols_on(day)` has the symbol, and `listed_symbols` all that it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.feed.blocks import PRICES, Unit
from stockstream.analytics.backtest.feed.units import units_of
from stockstream.analytics.backtest.feed.universe import IS_LISTED, LISTED_SYMBOLS, add_listings
from stockstream.sql.catalogue import Catalogue
from stockstream.sql.compiler import Request, parse, plan
from stockstream.sql.errors import UsageError

_PAST = re.compile(r"(?P<kind>lag|history)\((?P<inner>.+),\s*(?P<n>\d+)\)(\s+AS\s+(?P<alias>\w+))?$", re.I)
_COARSE = re.compile(r"(?P<interval>weekly|monthly|[1-9]\d*d)\((?P<inner>.+)\)(\s+AS\s+(?P<alias>\w+))?$", re.I)
FACTORS = ("price_factor", "split_factor")
"""Columns by which a value of adjusted prices is divided or multiplied to be one of the day's prices."""


@dataclass(frozen=True)
class Past:
    """A lag or a history of another column."""

    text: str
    inner: str
    n: int
    is_history: bool
    alias: str | None

    def name(self, inner: str) -> str:
        """Return the column's name; `inner` is the name of the other column."""
        return self.alias or f"{'history' if self.is_history else 'lag'}_{inner}_{self.n}"

    def sql(self, inner: str, unit: Unit | None, *, is_sorted: bool) -> str:
        """Return the window over the column `inner`, on the price scale of the row; `is_sorted`: as in `add_to`."""
        name = f'"{self.name(inner)}"'
        value = f'"{inner}"' + scale(unit, back=True)
        if not self.is_history:
            lag = f"lag({value}, {self.n}) OVER w"
            if is_sorted:  # a window of all rows is computed while they pass, without a sort
                lag = f"CASE WHEN lag(symbol, {self.n}) OVER () = symbol THEN lag({value}, {self.n}) OVER () END"
            return f"{lag}{scale(unit)} AS {name}"
        values = f"list({value}) OVER (w ROWS {self.n - 1} PRECEDING)"
        return f"list_transform({values}, lambda x: x{scale(unit)}) AS {name}" if scale(unit) else f"{values} AS {name}"


@dataclass(frozen=True)
class Coarse:
    """A column of the bars of an interval."""

    text: str
    interval: str
    inner: str
    name: str
    request: Request | None
    """The indicator; None for a price."""

    @property
    def source(self) -> str:
        """The column's name in the query of the interval."""
        return self.request.name if self.request else self.inner


def scale(unit: Unit | None, *, back: bool = False) -> str:
    """Return the SQL that scales a value of adjusted prices to the prices of the row's day, or back."""
    return "".join(
        f" {'*' if (power * sign > 0) != back else '/'} {factor}" * abs(power)
        for power, factor, sign in zip(unit or (), FACTORS, (-1, 1), strict=False)
        if power
    )


def is_derived(text: str) -> bool:
    """Return whether a column derives from another, by its text."""
    return (_PAST.fullmatch(text) or _COARSE.fullmatch(text)) is not None


class Derived:
    """The columns of a strategy that derive from others."""

    def __init__(self, columns: Sequence[str], available: Catalogue) -> None:
        """Split the columns into plain and derived ones.

        Raises:
            UsageError: a derived column cannot be read.
        """
        aliases = {match[1] for text in columns if (match := re.search(r"\sAS\s+(\w+)$", text, re.I))}
        self.plain: list[str] = []
        """The columns that are computed first: the strategy's own, and those of which it wants lags and histories."""
        self._coarse: list[Coarse] = []
        self._listings: list[str] = []
        self._past: list[Past] = []
        self._inner: dict[str, str] = {}
        """Name of the other column per text of a lag or history."""
        for text in dict.fromkeys(columns):
            if match := _COARSE.fullmatch(text.strip()):
                self._add_coarse(text, match, available)
            elif match := _PAST.fullmatch(text.strip()):
                self._add_past(text, match, aliases, available)
            elif text in (IS_LISTED, LISTED_SYMBOLS):
                self._listings.append(text)
            else:
                self.plain.append(text)

    def __bool__(self) -> bool:
        return bool(self._coarse or self._past or self._listings)

    @property
    def has_universe(self) -> bool:
        """Whether a column has all symbols that are listed on the day."""
        return LISTED_SYMBOLS in self._listings

    @property
    def cells(self) -> int:
        """Number of values per row."""
        return len(self._listings) + len(self._coarse) + sum(past.n if past.is_history else 1 for past in self._past)

    @property
    def needs_bars(self) -> bool:
        """Whether `add_to` reads the bars, for columns of longer bars."""
        return bool(self._coarse)

    @property
    def needs_symbols(self) -> bool:
        """Whether `add_to` needs the names of the symbols; otherwise their numbers do."""
        return bool(self._coarse or self._listings)

    def _add_coarse(self, text: str, match: re.Match[str], available: Catalogue) -> None:
        interval, inner = match["interval"].lower(), match["inner"].strip()
        requests = [] if inner in PRICES else parse([inner], available)
        if len(requests) > 1:
            raise UsageError(
                f"{text}: {inner} has the columns {', '.join(r.column for r in requests)}: name one of them"
            )
        name = match["alias"] or f"{interval}_{requests[0].name if requests else inner}"
        self._coarse.append(Coarse(text, interval, inner, name, requests[0] if requests else None))

    def _add_past(self, text: str, match: re.Match[str], aliases: set[str], available: Catalogue) -> None:
        past = Past(text, match["inner"].strip(), int(match["n"]), match["kind"].lower() == "history", match["alias"])
        if past.n < 1:
            raise UsageError(f"{text}: the number of bars must be at least 1")
        self._past.append(past)
        if past.inner in (*PRICES, *aliases) or _COARSE.fullmatch(past.inner) or past.inner in self.plain:
            return
        try:
            parse([past.inner], available)
        except UsageError:
            return  # a column of the strategy's query, or an error of `names`
        self.plain.append(past.inner)

    def names(self, existing: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
        """Return the names of the derived columns per text.

        Args:
            existing: the names of the other columns.
            aliases: names of other columns per text, such as `sma_20` for `sma(20)`.

        Raises:
            UsageError: two columns would have the same name, or a lag or a history is of a column that does not exist.
        """
        names, texts = set(existing), dict(aliases)
        derived: dict[str, str] = {}

        def add(text: str, name: str) -> None:
            if name in names:
                raise UsageError(f"two columns would be called {name}: name one of them, as in {text} AS other")
            names.add(name)
            texts[text] = derived[text] = name

        for name in self._listings:
            add(name, name)
        for coarse in self._coarse:
            add(coarse.text, coarse.name)
        for past in self._past:
            inner = self._inner[past.text] = texts.get(past.inner, past.inner)
            if inner not in names - {LISTED_SYMBOLS}:
                raise UsageError(f"{past.text}: there is no column {past.inner} among {', '.join(sorted(names))}")
            add(past.text, past.name(inner))
        return derived

    def units(self, con: DuckDBPyConnection, units: Mapping[str, Unit | None]) -> dict[str, Unit | None]:
        """Return the unit per column, also of prices, of lags and of the columns of intervals.

        A lag is one of the day, whose unit is that of the other column; `units` are those of the indicators.
        """
        prices = {name: Unit(0, 1) if name == "volume" else Unit(1, 0) for name in PRICES}
        requests = list({column.request.name: column.request for column in self._coarse if column.request}.values())
        inner = {**prices, **units_of(con, requests)}
        plain = {**prices, **units, **{column.name: inner[column.source] for column in self._coarse}}
        lags = [past for past in self._past if not past.is_history]
        others = {past.name(self._inner[past.text]): plain.get(self._inner[past.text]) for past in lags}
        return {**plain, **others}

    def add_to(
        self,
        con: DuckDBPyConnection,
        text: str,
        bars: str,
        units: Mapping[str, Unit | None] | None,
        *,
        is_sorted: bool = False,
    ) -> str:
        """Return a query with the derived columns.

        Args:
            con: the connection, in which the bars of each interval become a temporary table.
            text: the query of the other columns.
            bars: the view of the adjusted bars of the same symbols, if there are columns of longer bars.
            units: the unit per column, if the prices of `text` are those of the day; it then has `FACTORS`, too.
            is_sorted: whether the rows of each symbol follow each other in `text`, oldest first.
        """
        scaled = units or {}
        text = add_listings(text, self._listings)
        for interval in dict.fromkeys(column.interval for column in self._coarse):
            columns = [column for column in self._coarse if column.interval == interval]
            selected = ", ".join(f'w."{c.source}"{scale(scaled.get(c.name))} AS "{c.name}"' for c in columns)
            text = (
                f"SELECT d.*, {selected} FROM ({text}) AS d ASOF LEFT JOIN ({_finished(con, columns, bars)}) AS w "
                "ON d.symbol = w.symbol AND d.date >= w.finished_on"
            )
        windows = [
            past.sql(self._inner[past.text], scaled.get(self._inner[past.text]), is_sorted=is_sorted)
            for past in self._past
        ]
        factors = f" EXCLUDE ({', '.join(FACTORS)})" if units is not None else ""
        selected = ", ".join((f"*{factors}", *windows))
        return f"SELECT {selected} FROM ({text}) WINDOW w AS (PARTITION BY symbol ORDER BY date)"


def _finished(con: DuckDBPyConnection, columns: Sequence[Coarse], bars: str) -> str:
    """Return a query of columns of an interval's bars, with the day at whose close each bar is finished.

    That day is the interval's last session in the exchange's calendar, whether the symbol traded then or not.

    Raises:
        UsageError: the lake has no calendar.
    """
    if not con.execute("SELECT 1 FROM sessions LIMIT 1").fetchall():
        raise UsageError(f"{columns[0].text}: the lake has no calendar of sessions, which `stockstream run` writes")
    table = f"{bars}_{columns[0].interval}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM resample('{bars}', '{columns[0].interval}')")
    requests = list({column.request.name: column.request for column in columns if column.request}.values())
    keep = ["ends_on", *dict.fromkeys(column.inner for column in columns if column.request is None)]
    text = (
        plan(con, requests, table, keep=keep, is_unique=True).query(con)
        if requests
        else f"SELECT symbol, date, {', '.join(keep)} FROM {table}"
    )
    return f"SELECT *, greatest(ends_on, date) AS finished_on FROM ({text})"
