"""Columns that are SQL conditions on the bar: `condition(sma(20) > sma(50) AND close > weekly(ema(10)))`.

The indicators that a condition names are computed for it, and are no columns of the strategy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.feed.derived import is_derived
from stockstream.sql.catalogue import Catalogue
from stockstream.sql.errors import UsageError

_CONDITION = re.compile(r"condition\((?P<sql>.+)\)", re.DOTALL)
_CALL = re.compile(r"'[^']*'|\"[^\"]*\"|--[^\n]*|\b(?P<name>[A-Za-z]\w*|[1-9]\d*d)\s*\(")
"""A function's name and its parenthesis; also texts, quoted names and comments, in which there are no calls."""


class Conditions:
    """The columns of a strategy that are conditions."""

    def __init__(self, columns: Sequence[str], available: Catalogue) -> None:
        matches = {text: _CONDITION.fullmatch(text) for text in columns}
        self._sql = {text: match["sql"] for text, match in matches.items() if match is not None}
        self._available = available
        self.others = [text for text, match in matches.items() if match is None]
        """The columns that are no conditions."""
        self.inner = list(dict.fromkeys(sql[a:b] for sql in self._sql.values() for a, b in self._calls(sql)))
        """The indicators and other columns that the conditions call, such as `sma(20)`."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, which are their texts."""
        return tuple(self._sql)

    @property
    def needs_symbols(self) -> bool:
        """Whether a condition may read the names of the symbols."""
        return any(re.search(r"\bsymbol\b", sql, re.IGNORECASE) for sql in self._sql.values())

    def _calls(self, sql: str) -> Iterator[tuple[int, int]]:
        """Yield where in a condition the calls of indicators begin and end."""
        at = 0
        while match := _CALL.search(sql, at):
            at = match.end()
            if match["name"] is None:
                continue
            end, depth = at, 1
            while depth and end < len(sql):
                depth += {"(": 1, ")": -1}.get(sql[end], 0)
                end += 1
            is_window = re.match(r"\s*OVER\b", sql[end:], re.IGNORECASE)
            if not is_window and (is_derived(sql[match.start() : end]) or self._is_indicator(match["name"])):
                yield match.start(), end
                at = end

    def _is_indicator(self, name: str) -> bool:
        try:
            self._available.find(name.lower())
        except UsageError:
            return False
        return True

    def add_to(
        self, con: DuckDBPyConnection, texts: Sequence[str], names: Mapping[str, str], hidden: Sequence[str]
    ) -> list[str]:
        """Return queries with the conditions, which are 1 where they are true and 0 elsewhere.

        Args:
            con: the connection of the queries.
            texts: queries of the other columns, one per group of symbols.
            names: the name of the column per text in `inner`.
            hidden: the columns to leave out.

        Raises:
            UsageError: a condition is no SQL, names a column that does not exist, or is neither true nor false.
        """
        if not self._sql:
            return list(texts)
        columns = []
        for text, condition in self._sql.items():
            sql = condition
            for start, end in reversed(list(self._calls(condition))):
                if condition[start:end] not in names:
                    call = condition[start:end]
                    raise UsageError(f"the condition {condition}: {call} has several columns: name one of them")
                sql = f'{sql[:start]}"{names[condition[start:end]]}"{sql[end:]}'
            self._require_boolean(con, condition, f"SELECT ({sql}\n) FROM ({texts[0]}) LIMIT 0")
            name = text.replace('"', '""')
            columns.append(f'CAST(coalesce(({sql}\n), false) AS TINYINT) AS "{name}"')
        exclude = ", ".join(f'"{name}"' for name in hidden)
        others = f"* EXCLUDE ({exclude})" if exclude else "*"
        return [f"SELECT {others}, {', '.join(columns)} FROM ({text})" for text in texts]

    @staticmethod
    def _require_boolean(con: DuckDBPyConnection, condition: str, query: str) -> None:
        try:
            (kind,) = con.sql(query).types
        except duckdb.Error as error:
            raise UsageError(f"the condition {condition}: {str(error).splitlines()[0]}") from None
        if str(kind) != "BOOLEAN":
            raise UsageError(f"the condition {condition} is of the type {kind}: write one that is true or false")
