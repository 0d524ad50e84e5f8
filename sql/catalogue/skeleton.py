"""The two files with which a new indicator starts: its SQL and its test."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from stockstream.sql.catalogue.indicators import FOLDER
from stockstream.sql.loader import HOME

ROOT = HOME.resolve().parent
"""The root of the repository; in an installed wheel, a folder without `tests`."""
ORACLES = ROOT / "tests/sql/indicators/oracles"


def is_checkout(folder: Path) -> bool:
    """Return whether a folder is in the checkout that this code runs from."""
    return ORACLES.is_dir() and folder.resolve().is_relative_to(ROOT)


def repository_files(name: str, family: str, day: date) -> dict[Path, str]:
    """Return the texts of a shipped indicator's two files by path: its SQL and its oracle."""
    return {
        FOLDER.resolve() / family / f"{name}_v1.sql": _sql(name, day),
        ORACLES / f"{name}.py": ORACLE.replace("NAME", name),
    }


def personal_files(name: str, folder: Path, day: date) -> dict[Path, str]:
    """Return the texts of a user's own indicator's two files by path: its SQL and a self-contained test."""
    return {
        folder / f"{name}_v1.sql": _sql(name, day),
        folder / f"test_{name}.py": TEST.replace("NAME", name),
    }


def _sql(name: str, day: date) -> str:
    return SQL.replace("NAME", name).replace("DAY", day.isoformat())


SQL = """/* ---
name: NAME
version: 1
title: A new indicator.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [NAME]
price_like: [NAME]
warmup: n - 1
lookback: n - 1
formula: mean of the last n values
difference: 1e-12
reference: none yet
changes:
  - DAY first version
--- */
CREATE OR REPLACE MACRO NAME_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of NAME')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN avg(x) OVER w END AS NAME
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
"""

ORACLE = '''"""`NAME` is a plain calculation in longdouble."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"NAME": rolling(np.mean, bars["close"], n).astype(np.float64)}
'''

TEST = '''"""NAME against a plain calculation."""

from pathlib import Path

import duckdb
import pytest

from stockstream.sql.catalogue.indicators import catalogue


def test_NAME() -> None:
    closes = [10.0, 11.0, 13.0, 12.0]
    with duckdb.connect() as con:
        catalogue(Path(__file__).parent).install(con)
        con.execute("CREATE TABLE bars (symbol VARCHAR, date DATE, close DOUBLE)")
        for day, close in enumerate(closes):
            con.execute("INSERT INTO bars VALUES ('AAA', DATE '2026-01-01' + ?::INTEGER, ?)", [day, close])
        values = [value for (value,) in con.execute("SELECT NAME FROM NAME('bars', 2) ORDER BY date").fetchall()]
    assert values == [None, *(pytest.approx((left + right) / 2) for left, right in zip(closes, closes[1:]))]
'''
