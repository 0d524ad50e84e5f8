"""The text of a group of files becomes bars, and cells that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.files import dates, numbers
from stockstream.pipeline.files.columns import NUMBERS
from stockstream.pipeline.files.inputs import Input
from stockstream.pipeline.files.staging import Group
from stockstream.pipeline.markets import Market

MAX_VOLUME = 2**63 - 1
MIN_SAMPLE = 5
"""Cells of a sample that must exist before a column is refused by it."""
TABLES = """
CREATE TABLE bars_of_files (
    symbol VARCHAR, date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT, adjusted_close DOUBLE,
    dividend DOUBLE, split_ratio DOUBLE, moment TIMESTAMP, file INTEGER, line BIGINT
);
CREATE TABLE cells (
    symbol VARCHAR, date DATE, column_name VARCHAR, text VARCHAR, reason VARCHAR, file INTEGER, line BIGINT
);
"""
"""`bars_of_files` has a row per row of the files, `cells` a row per cell that was there and could not be read."""
_DIVIDEND_ROW = "^([0-9.]+) dividend$"
_SPLIT_ROW = "^([0-9.]+ *[:/] *[0-9.]+) (?:stock )?split$"


@dataclass(frozen=True)
class Rules:
    """What a person declares about the files, and what is true of the market."""

    market: Market
    today: date
    date_format: str | None = None
    decimal: str | None = None


class Conversion:
    """Converts groups into the tables `bars_of_files` and `cells` of a connection."""

    def __init__(self, con: DuckDBPyConnection, sources: Sequence[Input], rules: Rules) -> None:
        self._con = con
        self._sources = sources
        self._rules = rules
        con.execute("CREATE TEMP TABLE stems (file INTEGER, stem VARCHAR)")
        stems = pa.table({"file": list(range(len(sources))), "stem": [source.stem for source in sources]})
        con.register("stems_of_files", stems).execute("INSERT INTO stems FROM stems_of_files")

    def refuse_unreadable(self, group: Group) -> None:
        """Look at a sample of a group.

        Raises:
            UsageError: a column has cells, and none of them can be read in any style.
        """
        measured = numbers.measure(self._con, group.relation, _texts(group))
        for column, counts in measured.items():
            if counts.cells < MIN_SAMPLE or counts.plain:
                continue
            if column == "open" and self._count(group, f"{_action(column)} <> ''"):
                continue
            styles = [self._ratio_or_number(column, sign) for sign in numbers.DECIMALS]
            if not self._count(group, f"coalesce({', '.join(styles)}) IS NOT NULL"):
                self._refuse(group, column, numbers.text(column))
        texts = self._date_texts(group)
        cells = sum(count for text, count in texts.items() if text)
        by_format = self._rules.date_format and "%" in self._rules.date_format
        if cells >= MIN_SAMPLE and not by_format and not any(dates.style_of(text.strip()) for text in texts):
            self._refuse(group, "date", numbers.text("date"))

    def convert(self, group: Group) -> None:
        """Append the rows of a group.

        Raises:
            UsageError: nothing can be read of a column, or a style is ambiguous.
        """
        self._convert_dates(group)
        values = self._values(group)
        symbol = symbol_sql("s.symbol" if "symbol" in group.types else "stem", self._rules.market)
        relation = (
            f"(SELECT s.file, s.line, {symbol} AS symbol,"
            f" d.moment, d.reason AS date_reason, d.shown AS date_text,"
            f" {', '.join(f's.{c}' for c in group.types if c in NUMBERS)}"
            f" FROM {group.relation} AS s LEFT JOIN days AS d ON {_date_text(group)} = d.text"
            " LEFT JOIN stems USING (file))"
        )
        extra = self._action_rows(group)
        chosen = {name: extra.get(name) or values.get(name) or "NULL" for name in NUMBERS}
        is_row = "moment IS NOT NULL AND symbol <> ''"
        if group.is_wide:
            is_row += f" AND ({' OR '.join(f'{values[c]} IS NOT NULL' for c in NUMBERS if c in values)})"
        self._con.execute(
            f"INSERT INTO bars_of_files SELECT symbol, CAST(moment AS DATE), {', '.join(chosen.values())},"
            f" moment, file, line FROM {relation} WHERE {is_row}"
        )
        self._collect_rows(group, relation)
        for column in self._incomplete(group, values):
            self._collect(group, relation, column, values[column], bool(extra))

    def _incomplete(self, group: Group, values: dict[str, str]) -> list[str]:
        """Return the columns that have text without a value, counted in one pass: in most files none has."""
        if not values:
            return []
        texts = {column: numbers.text(f"CAST({column} AS VARCHAR)") for column in values}
        counts = ", ".join(f"count(CASE WHEN {value} IS NULL THEN {texts[c]} END)" for c, value in values.items())
        row = self._con.execute(f"SELECT {counts} FROM {group.relation}").fetchall()[0]
        return [column for column, count in zip(values, row, strict=True) if count]

    def _values(self, group: Group) -> dict[str, str]:
        """Return SQL for the value of each of the group's columns."""
        texts = _texts(group)
        measured = numbers.measure(self._con, group.relation, texts)
        try:
            signs = numbers.decimal_signs(self._con, group.relation, measured, self._rules.decimal)
        except numbers.AmbiguousNumbers as error:
            raise UsageError(f"{self._example_file(group)}: {error}") from None
        values = {}
        for column in NUMBERS:
            if column not in group.types:
                continue
            sign = signs.get(column)
            if column == "split_ratio":
                ratio = self._ratio_or_number(column, sign or ".") if column in texts else numbers.plain_number(column)
                values[column] = f"CASE WHEN {ratio} = 0 THEN 1.0 ELSE {ratio} END"  # Yahoo writes 0 for no split
            elif sign:
                values[column] = numbers.styled_number(numbers.text(column), sign, column)
            else:
                values[column] = numbers.plain_number(column)
            if column == "volume":
                values[column] = _whole(values[column], column)
        return values

    def _convert_dates(self, group: Group) -> None:
        """Create the table `days` of the texts of dates of a group, with what they mean."""
        texts = self._date_texts(group)
        rules = self._rules
        try:
            readings = dates.read_dates(
                {text: count for text, count in texts.items() if text.strip()},
                rules.market.timezone,
                rules.today,
                rules.date_format,
                group.date_hint,
            )
        except dates.AmbiguousDates as error:
            raise UsageError(f"{self._example_file(group)}: {error}") from None
        if readings and not any(reading.moment for reading in readings.values()):
            self._refuse(group, "date", numbers.text("date"), next(iter(readings.values())).reason)
        days = pa.table(
            {
                "text": pa.array(readings, pa.string()),
                "shown": pa.array((text.strip() for text in readings), pa.string()),
                "moment": pa.array((r.moment for r in readings.values()), pa.timestamp("us")),
                "reason": pa.array((r.reason for r in readings.values()), pa.string()),
            }
        )
        self._con.register("days_of_group", days)
        self._con.execute("CREATE OR REPLACE TEMP TABLE days AS FROM days_of_group")

    def _date_texts(self, group: Group) -> dict[str, int]:
        text = _date_text(group)
        return dict(
            self._con.execute(
                f"SELECT {text}, count(*) FROM {group.relation} AS s WHERE {text} IS NOT NULL GROUP BY 1"
            ).fetchall()
        )

    def _collect_rows(self, group: Group, relation: str) -> None:
        """Append the rows without a date or symbol to `cells`, unless they are empty."""
        texts = [numbers.text(f"CAST({column} AS VARCHAR)") for column in group.types if column in NUMBERS]
        if "symbol" in group.types:
            texts.append("nullif(symbol, '')")
        has_value = f"coalesce({', '.join(texts)}) IS NOT NULL"
        self._con.execute(
            "INSERT INTO cells SELECT nullif(symbol, ''), CAST(moment AS DATE),"
            " CASE WHEN moment IS NULL THEN 'date' ELSE 'symbol' END,"
            " CASE WHEN moment IS NULL THEN coalesce(date_text, '') ELSE '' END,"
            " CASE WHEN moment IS NULL THEN coalesce(date_reason, 'a row without a date')"
            " ELSE 'a row without a symbol' END, file, line"
            f" FROM {relation} WHERE (moment IS NULL OR symbol IS NULL OR symbol = '')"
            f" AND (date_reason IS NOT NULL OR {has_value})"
        )

    def _collect(self, group: Group, relation: str, column: str, value: str, has_actions: bool) -> None:
        """Append the cells of a column that have a text and no value to `cells`.

        Raises:
            UsageError: no cell of the column can be read.
        """
        text = numbers.text(f"CAST({column} AS VARCHAR)")
        unread = f"CASE WHEN {value} IS NULL THEN {text} END IS NOT NULL AND moment IS NOT NULL AND symbol <> ''"
        if has_actions and column == "open":
            unread += f" AND {_action(column)} = ''"
        reason = "'no number'"
        if column in _texts(group) and column != "split_ratio":
            other = " OR ".join(f"{numbers.styled_number(text, sign, column)} IS NOT NULL" for sign in numbers.DECIMALS)
            reason = f"CASE WHEN {other} THEN 'another style of number than the column''s' ELSE 'no number' END"
        if column == "volume":
            number = numbers.plain_number(column)
            reason = (
                f"CASE WHEN abs({number}) > {MAX_VOLUME} THEN 'above {MAX_VOLUME}'"
                f" WHEN {number} % 1 <> 0 THEN 'not a whole number' ELSE {reason} END"
            )
        self._con.execute(
            f"INSERT INTO cells SELECT symbol, CAST(moment AS DATE), '{column}', trim({text}), {reason}, file, line"
            f" FROM {relation} WHERE {unread}"
        )
        if (
            not self._count(group, f"{value} IS NOT NULL")
            and self._con.execute(
                "SELECT 1 FROM cells WHERE column_name = $column LIMIT 1", {"column": column}
            ).fetchall()
        ):
            self._refuse(group, column, text)

    def _action_rows(self, group: Group) -> dict[str, str]:
        """Return SQL for the actions in the rows that Yahoo's own CSV has for them: `0.25 Dividend` as the open."""
        if group.types.get("open") != "VARCHAR" or not {"dividend", "split_ratio"}.isdisjoint(group.types):
            return {}
        if not self._count(group, f"{_action('open')} <> ''"):
            return {}
        lower = "lower(trim(open))"
        return {
            "dividend": f"TRY_CAST(nullif(regexp_extract({lower}, '{_DIVIDEND_ROW}', 1), '') AS DOUBLE)",
            "split_ratio": numbers.split_ratio(f"regexp_extract({lower}, '{_SPLIT_ROW}', 1)"),
        }

    def _ratio_or_number(self, column: str, sign: str) -> str:
        number = numbers.styled_number(numbers.text(column), sign, column)
        return f"coalesce({number}, {numbers.split_ratio(column)})" if column == "split_ratio" else number

    def _count(self, group: Group, condition: str) -> int:
        return int(self._con.execute(f"SELECT count(*) FROM {group.relation} WHERE {condition}").fetchall()[0][0])

    def _example_file(self, group: Group) -> str:
        return self._sources[group.files[0]].name

    def _refuse(self, group: Group, column: str, text: str, reason: str | None = None) -> None:
        file, line, example = self._con.execute(
            f"SELECT file, line, {text} FROM {group.relation} WHERE {text} IS NOT NULL LIMIT 1"
        ).fetchall()[0]
        option = {"date": "--date-format D/M/Y (or M/D/Y, %Y%j …)"}.get(column, "--decimal , or --decimal .")
        without = "" if column in ("date", "close") else f", or leave the column out with --column {column}="
        raise UsageError(
            f"{self._sources[file].name}: no cell of the column {group.names.get(column, column)} can be read as"
            f" {column}{f' ({reason})' if reason else ''}, such as {str(example)[:60]!r} in line {line}:"
            f" name another column with --column {column}=..., or use {option}{without}"
        )


def _texts(group: Group) -> list[str]:
    return [column for column in NUMBERS if group.types.get(column) == "VARCHAR"]


def _action(column: str) -> str:
    """Return SQL for the action that a cell of Yahoo's CSV has in the place of an open; empty for none."""
    return f"regexp_extract(lower(trim({column})), '{_DIVIDEND_ROW}|{_SPLIT_ROW}')"


def _date_text(group: Group) -> str:
    """Return SQL for the date, followed by the time of day if the file has a column for it."""
    if "time" not in group.types:
        return "s.date"
    digits = "regexp_replace(trim(s.time), '^([0-9]{2})([0-9]{2})([0-9]{2})?$', '\\1:\\2')"
    both = f"trim(concat_ws(' ', trim(s.date), nullif({digits}, '')))"
    return f"CASE WHEN {numbers.text('s.date')} IS NOT NULL THEN {both} END"


def symbol_sql(value: str, market: Market) -> str:
    """Return SQL for the symbol in a text, without the market's suffix; in upper case unless it has a capital."""
    suffixes = "|".join(suffix.removeprefix(".") for suffix in market.suffixes)
    bare = f"regexp_replace(trim({value}), '(?i)[.]({suffixes})$', '')"
    return f"CASE WHEN {bare} = lower({bare}) THEN upper({bare}) ELSE {bare} END"


def _whole(value: str, column: str) -> str:
    """Return SQL for a number of shares: whole, and not above what the lake can store."""
    # A double has 53 bits: a longer number is read as an integer.
    exact = f"TRY_CAST({column} AS BIGINT)"
    return (
        f"CASE WHEN {value} % 1 = 0 AND abs({value}) < 9223372036854775808"
        f" THEN coalesce(CASE WHEN abs({value}) >= 9007199254740992 THEN {exact} END, CAST({value} AS BIGINT)) END"
    )
