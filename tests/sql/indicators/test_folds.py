"""`psar` and `supertrend`, which fold lists of bars in parts: the values do not depend on where the parts begin."""

from __future__ import annotations

import time

import numpy as np
import pytest
from duckdb import DuckDBPyConnection

from tests.sql.indicators._bars import Bars, connection, random_bars

CALLS = {"psar": "0.02, 0.2", "supertrend": "10, 3"}
LENGTHS = (1, 2, 3, 4, 5, 9, 10, 11, 12, 17, 100, 101, 128, 129, 130, 500, 17_000)


def symbols(*lengths: int) -> dict[str, Bars]:
    return {f"S{rows}": random_bars(rows, rows) for rows in lengths}


@pytest.mark.parametrize("name", CALLS)
def test_the_values_are_those_of_the_second_version(name: str) -> None:
    with connection(symbols(*LENGTHS)) as con:
        second, third = (
            con.execute(f"FROM {name}_v{version}('bars', {CALLS[name]}) ORDER BY symbol, date").fetchnumpy()
            for version in (2, 3)
        )
    assert len(second["date"]) == sum(LENGTHS)
    for column in second:
        np.testing.assert_array_equal(np.ma.filled(third[column], 0), np.ma.filled(second[column], 0), column)


def cpu(con: DuckDBPyConnection, call: str, rows: int) -> float:
    """Return the CPU seconds of a macro on the first rows of a symbol."""
    con.execute(f"CREATE OR REPLACE TABLE part AS FROM bars ORDER BY date LIMIT {rows}")
    begin = time.process_time()
    con.execute(f"SELECT count(*) FROM {call}").fetchall()
    return time.process_time() - begin


@pytest.mark.parametrize("name", CALLS)
def test_the_time_is_linear_in_the_length_of_a_symbol(name: str) -> None:
    """32 times as many bars take less than 64 times as long; with lists that grow by bar it would be 1,024 times."""
    call = f"{name}('part', {CALLS[name]})"
    with connection(symbols(32_000)) as con:
        con.execute("SET threads = 1")
        cpu(con, call, 100)
        short = min(cpu(con, call, 1_000) for _ in range(3))
        assert cpu(con, call, 32_000) < 64 * short
