"""What files say twice or leave to be derived: several bars per day, actions, and the basis of the prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.files.inputs import Input
from stockstream.sql.loader import load

NO_DIVIDEND = 1e-6
"""Smallest dividend that exists, as a share of the price: smaller steps are rounding errors."""
_NO_PRICE = "open IS NULL AND high IS NULL AND low IS NULL AND close IS NULL AND adjusted_close IS NULL"
_HAS_ACTION = "(coalesce(dividend, 0) <> 0 OR coalesce(split_ratio, 1) <> 1)"
_AGGREGATED = """
CREATE OR REPLACE TABLE bars_of_files AS
SELECT
    symbol, date, arg_min(open, moment) AS open, max(high) AS high, min(low) AS low, arg_max(close, moment) AS close,
    CAST(sum(volume) AS BIGINT) AS volume, arg_max(adjusted_close, moment) AS adjusted_close,
    max(dividend) AS dividend, max(split_ratio) AS split_ratio, CAST(date AS TIMESTAMP) AS moment,
    min(file) AS file, min(line) AS line
FROM bars_of_files
GROUP BY symbol, date
"""


@dataclass(frozen=True)
class Prices:
    """What `--prices` declares."""

    is_declared: bool
    as_traded: bool = False
    total_return: bool = False
    basis: date | None = None


def parse_prices(text: str | None) -> Prices:
    """Return what `--prices` declares; None is `adjusted`, not declared.

    Raises:
        UsageError: it is none of the words, or has no day behind the colon.
    """
    if text == "as-traded":
        return Prices(True, as_traded=True)
    kind, colon, day = (text or "adjusted").partition(":")
    try:
        if kind in ("adjusted", "total-return"):
            return Prices(text is not None, False, kind == "total-return", date.fromisoformat(day) if colon else None)
    except ValueError:
        pass
    raise UsageError(
        f"--prices {text}: write as-traded, adjusted, adjusted:YYYY-MM-DD, total-return or total-return:YYYY-MM-DD"
    )


def one_bar_per_day(con: DuckDBPyConnection, sources: Sequence[Input], aggregate: bool) -> str | None:
    """Refuse or aggregate bars of parts of a day; return a note if there were some.

    Raises:
        UsageError: a symbol has several moments per day and `aggregate` is false, or two files have bars of one day.
    """
    note = None
    if con.execute("SELECT 1 FROM bars_of_files WHERE moment <> date LIMIT 1").fetchall():
        several = con.execute(
            "SELECT min(file), min(line), symbol, min(moment), max(moment) FROM bars_of_files"
            " GROUP BY symbol, date HAVING count(DISTINCT moment) > 1 ORDER BY 1, 2 LIMIT 1"
        ).fetchall()
        if several and not aggregate:
            file, line, symbol, first, last = several[0]
            raise UsageError(
                f"{sources[file].name}: line {line}: {symbol} has several bars per day, at {first} and {last}:"
                " use --aggregate to make daily bars of them"
            )
        if several:
            rows = _count(con, "SELECT count(*) FROM bars_of_files")
            con.execute(_AGGREGATED)
            days = _count(con, "SELECT count(*) FROM bars_of_files")
            note = f"{rows:,} bars of parts of a day were aggregated to {days:,} daily bars"
    twice = con.execute(
        f"SELECT symbol, date, min(file), max(file) FROM bars_of_files WHERE NOT ({_NO_PRICE})"
        " GROUP BY symbol, date HAVING min(file) <> max(file) ORDER BY symbol, date LIMIT 1"
    ).fetchall()
    if twice:
        symbol, day, first, last = twice[0]
        raise UsageError(
            f"two files have bars of {symbol} on {day}: {sources[first].name} and {sources[last].name}:"
            " leave one out, or name the symbols differently"
        )
    return note


def merge_action_rows(con: DuckDBPyConnection) -> None:
    """Move the actions of rows without prices to the bar of the day; equal ones count once, others are unread."""
    con.execute(
        "CREATE TEMP TABLE action_rows AS SELECT symbol, date, dividend, split_ratio, file, line FROM bars_of_files"
        f" WHERE {_NO_PRICE} AND coalesce(volume, 0) = 0 AND {_HAS_ACTION}"
    )
    if not _count(con, "SELECT count(*) FROM action_rows"):
        return
    con.execute(f"DELETE FROM bars_of_files WHERE {_NO_PRICE} AND coalesce(volume, 0) = 0 AND {_HAS_ACTION}")
    for column, none in (("dividend", "0"), ("split_ratio", "1")):
        # The bar's value is one of the values of its day.
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE actions AS SELECT symbol, date, min(v) AS value, count(DISTINCT v) AS n"
            f" FROM (SELECT symbol, date, nullif({column}, {none}) AS v FROM action_rows UNION ALL"
            f" SELECT b.symbol, b.date, nullif(b.{column}, {none}) FROM bars_of_files AS b"
            " SEMI JOIN action_rows USING (symbol, date)) GROUP BY symbol, date"
        )
        con.execute(
            f"INSERT INTO cells SELECT r.symbol, r.date, '{column}', CAST(r.{column} AS VARCHAR),"
            " 'another value for the same day', r.file, r.line"
            " FROM action_rows AS r JOIN actions AS a USING (symbol, date)"
            f" WHERE a.n > 1 AND nullif(r.{column}, {none}) IS NOT NULL"
        )
        con.execute(
            f"UPDATE bars_of_files AS b SET {column} = CASE WHEN a.n = 1 THEN a.value END FROM actions AS a"
            " WHERE b.symbol = a.symbol AND b.date = a.date AND a.n > 0"
        )
    con.execute(
        "INSERT INTO bars_of_files BY NAME SELECT symbol, date, max(dividend) AS dividend,"
        " max(split_ratio) AS split_ratio, min(file) AS file, min(line) AS line FROM action_rows AS r"
        " ANTI JOIN bars_of_files USING (symbol, date) GROUP BY symbol, date"
    )


def set_price_basis(con: DuckDBPyConnection, prices: Prices) -> None:
    """Add `as_traded` and `price_basis`: the day of the bar, the declared day or that of the newest bar."""
    con.execute(
        f"CREATE OR REPLACE TABLE based AS SELECT *, {prices.as_traded} AS as_traded,"
        " CASE WHEN $as_traded THEN date ELSE coalesce($basis, (SELECT max(date) FROM bars_of_files)) END"
        " AS price_basis"
        " FROM bars_of_files",
        {"as_traded": prices.as_traded, "basis": prices.basis},
    )
    con.execute("DROP TABLE bars_of_files; ALTER TABLE based RENAME TO bars_of_files")


def refuse_unknown_basis(con: DuckDBPyConnection, prices: Prices, name: str) -> None:
    """Refuse dividends beside closes that may include them already, as yfinance's download by default has.

    Raises:
        UsageError: there are dividends, no adjusted closes, and no `--prices`.
    """
    if prices.is_declared or _count(con, "SELECT count(*) FROM bars_of_files WHERE adjusted_close IS NOT NULL LIMIT 1"):
        return
    if _count(con, "SELECT count(*) FROM bars_of_files WHERE dividend > 0"):
        raise UsageError(
            f"{name} has dividends and no adjusted close: use --prices total-return if dividends are in the prices"
            " already (yfinance's download, auto_adjust=True), --prices adjusted if only splits are,"
            " --prices as-traded if neither are"
        )


def undo_dividends(con: DuckDBPyConnection) -> None:
    """Convert total-return prices to prices that contain splits only.

    With A the price that contains dividends and D the dividend of an ex-date, the price before is C = A / f, and f is
    the product of 1 - D / C over the later ex-dates. So 1 / f = 1 + the sum of D / A over them, where A is the last
    close before each ex-date: `bars_adjusted` then returns A.
    """
    con.execute(load("steps/undo_dividends").text)


def derive_actions(con: DuckDBPyConnection) -> str | None:
    """Set the dividends and splits that files do not list from the adjusted close; return a note on small steps."""
    con.execute(f"CREATE TEMP TABLE derived AS {load('steps/derive_actions').text}")
    con.execute(
        "UPDATE bars_of_files AS b SET dividend = coalesce(b.dividend, d.dividend),"
        " split_ratio = coalesce(b.split_ratio, d.split_ratio)"
        " FROM derived AS d WHERE b.symbol = d.symbol AND b.date = d.date"
    )
    small, largest = con.execute(
        "SELECT count(*), max(tolerance) FILTER (tolerance < 'inf') FROM derived WHERE is_too_small"
    ).fetchall()[0]
    if not small or (largest is not None and largest < NO_DIVIDEND):
        return None
    return (
        f"{small:,} steps between close and adjusted close are too small for --derive-actions to tell from rounding"
        f" (at most {100 * largest:.2g} % of the price)"
    )


def _count(con: DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])
