"""Numbers as text: the decimal sign of a column is decided once, over all rows, and each text is read as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.files.columns import PRICES

NOTHING = "('', 'null', 'nan', 'n/a', 'na', '#n/a', '<na>', 'n.a.', 'none', 'nil', 'nat')"
"""Texts, in lower case, that mean that there is no value."""
DECIMALS = (".", ",")
_CURRENCY = "(?:(?:[A-Za-z]{1,3})?[$€£¥₹]|USD|AUD|EUR|GBP|CAD|NZD|JPY|CHF)"
_GROUPING = {".": (",", "'", "’", " ", "\u00a0", "\u202f"), ",": ("[.]", "'", "’", " ", "\u00a0", "\u202f")}


@dataclass(frozen=True)
class Column:
    """The cells of one column of staged text."""

    cells: int
    """Cells that are not empty."""
    plain: int
    """Cells that are numbers as programs write them, with a point."""


def refuse_unknown_decimal(decimal: str | None) -> None:
    """Refuse a decimal sign that is neither a point nor a comma.

    Raises:
        UsageError: it is another text.
    """
    if decimal not in (None, *DECIMALS):
        raise UsageError(f"--decimal {decimal}: write . or ,")


def text(column: str) -> str:
    """Return SQL for the trimmed text of a column; NULL if it means that there is no value."""
    trimmed = f"trim({column}, ' \t\u00a0')"
    return f"CASE WHEN lower({trimmed}) NOT IN {NOTHING} THEN {trimmed} END"


def plain_number(column: str) -> str:
    """Return SQL for the number that a program wrote, NULL for any other text. All digits are ASCII."""
    return f"CASE WHEN isfinite(TRY_CAST({column} AS DOUBLE)) THEN TRY_CAST({column} AS DOUBLE) END"


def styled_number(column: str, decimal: str, ours: str) -> str:
    """Return SQL for the number in a text with currency signs and groups of digits, NULL for any other text."""
    trimmed = f"trim({column}, ' \t\u00a0')"
    number = f"regexp_extract({trimmed}, '{pattern(decimal, ours)}', 1)"
    digits = f"replace(regexp_replace({number}, '[^0-9{decimal}eE+-]', '', 'g'), ',', '.')"
    sign = f"CASE WHEN {trimmed} LIKE '-%' OR {trimmed} LIKE '(%' THEN -1 ELSE 1 END"
    factor = (
        f"CASE upper(regexp_extract({trimmed}, '([KkMmBb])[^A-Za-z]*$', 1))"
        " WHEN 'K' THEN 1e3 WHEN 'M' THEN 1e6 WHEN 'B' THEN 1e9 ELSE 1 END"
    )
    value = f"{sign} * TRY_CAST({digits} AS DOUBLE)"
    return f"round({value} * {factor}, 6)" if ours == "volume" else value


def pattern(decimal: str, ours: str) -> str:
    """Return the regular expression of a whole number in a style; group 1 has the digits."""
    grouped = "|".join(f"[1-9][0-9]{{0,2}}(?:{sign}[0-9]{{2,3}})*{sign}[0-9]{{3}}" for sign in _GROUPING[decimal])
    grouped = grouped.replace("'", "''")
    mark = "[.]" if decimal == "." else ","
    digits = f"((?:(?:{grouped}|[0-9]+)(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    suffix = " ?[KkMmBb]?" if ours == "volume" else ""
    return f"^(?:[+-]|[(])? ?{_CURRENCY}? ?[+-]?{digits}{suffix} ?{_CURRENCY}?[)]?$"


def split_ratio(column: str) -> str:
    """Return SQL for the ratio in a text such as 4:1, 4/1, 4-for-1 or 4 for 1, NULL for any other text."""
    ratio = "^([0-9]+(?:[.][0-9]+)?) *(?::|/|-? ?for ?-?|-? ?to ?-?) *([0-9]+(?:[.][0-9]+)?)$"
    trimmed = f"lower(trim({column}))"
    return (
        f"TRY_CAST(regexp_extract({trimmed}, '{ratio}', 1) AS DOUBLE)"
        f" / nullif(TRY_CAST(regexp_extract({trimmed}, '{ratio}', 2) AS DOUBLE), 0)"
    )


def measure(con: DuckDBPyConnection, relation: str, columns: Sequence[str]) -> dict[str, Column]:
    """Count the plain numbers of each column of text in one pass."""
    if not columns:
        return {}
    # The text is only examined where there is no number: most columns have nothing else.
    counts = ", ".join(
        f"count({plain_number(column)}), count(CASE WHEN {plain_number(column)} IS NULL THEN {text(column)} END)"
        for column in columns
    )
    row = con.execute(f"SELECT {counts} FROM {relation}").fetchall()[0]
    pairs = zip(row[::2], row[1::2], strict=True)
    return {column: Column(plain + strange, plain) for column, (plain, strange) in zip(columns, pairs, strict=True)}


class AmbiguousNumbers(Exception):
    """A column's comma can be a decimal sign or separate groups of digits; the text has an example."""


def decimal_signs(
    con: DuckDBPyConnection, relation: str, columns: Mapping[str, Column], decimal: str | None
) -> dict[str, str | None]:
    """Return the decimal sign per column; None where every cell is a plain number.

    The sign with which more cells can be read is the column's. A column that can be read in both ways takes the sign of
    the other prices.

    Raises:
        AmbiguousNumbers: none of them decides it.
    """
    numeric = [column for column in columns if column != "split_ratio" and columns[column].cells]
    if decimal != "," and all(columns[column].plain == columns[column].cells for column in numeric):
        return dict.fromkeys(columns)
    if decimal is not None:
        return dict.fromkeys(columns, decimal)
    signs: dict[str, str | None] = {}
    for column in numeric:
        counts = ", ".join(f"count({styled_number(text(column), sign, column)})" for sign in DECIMALS)
        commas = f"coalesce(bool_or(contains({column}, ',')), false)"
        whole = f"bool_and({styled_number(text(column), ',', column)} % 1 = 0)"
        point, comma, has_comma, is_whole = con.execute(
            f"SELECT {counts}, {commas}, {whole} FROM {relation}"
        ).fetchall()[0]
        if point != comma:
            signs[column] = "." if point > comma else ","
        elif has_comma and column == "volume" and not is_whole:
            signs[column] = "."  # 5,012 shares are whole shares
        elif has_comma:
            signs[column] = None
    votes = [sign for column, sign in signs.items() if sign and column in PRICES] or [s for s in signs.values() if s]
    common = max(set(votes), key=votes.count) if votes else None
    for column in numeric:
        if signs.get(column) is None and column in signs and common is None:
            example = con.execute(f"SELECT {column} FROM {relation} WHERE contains({column}, ',') LIMIT 1").fetchall()
            raise AmbiguousNumbers(
                f"{example[0][0].strip()!r} in the column {column} can be a whole number or a fraction:"
                " use --decimal . or --decimal ,"
            )
        signs[column] = signs.get(column) or common or "."
    return {column: signs.get(column, ".") for column in columns}
