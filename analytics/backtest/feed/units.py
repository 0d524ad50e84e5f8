"""The units of indicators: whether they scale with prices and volumes, such as an average, or not, such as an RSI.

Indicators are computed from adjusted prices, in which a split is not a price drop. To be comparable with the prices of
the day, those with a unit must be scaled back. The unit is measured: each indicator is computed from synthetic bars,
from the same bars with doubled prices, and from the same bars with doubled volumes. This needs no list of indicators,
and also covers the indicators of users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.analytics.backtest.feed.blocks import Unit
from stockstream.sql.compiler import Request, benchmarks_of, by_macros
from stockstream.sql.session import quoted

SHORTEST = 300
"""Minimum number of synthetic bars, enough for the defaults of the shipped indicators; longer periods get more."""
POWERS = {2.0**power: power for power in range(-4, 5)}
"""Exponent per ratio by which doubled prices or volumes multiply an indicator."""


def units_of(con: DuckDBPyConnection, requests: Sequence[Request]) -> Mapping[str, Unit | None]:
    """Return the unit per column; None if a column does not scale with a power, such as price + volume."""
    if not requests:
        return {}
    numbers = [float(text) for r in requests for name, text in r.arguments if name in r.indicator.periods]
    bars = int(max(SHORTEST, 4 * max(numbers, default=0)))
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE units AS
        WITH closes AS (
            SELECT i, 50 + 10 * sin(i / 9) + hash(i) % 100 / 50 AS close FROM range({bars}) AS bars (i)
        )
        SELECT
            symbol, DATE '2000-01-01' + i::INTEGER AS date,
            p * close * (1 + (hash(i, 3) % 9 - 4.0) / 800) AS open,
            p * close * (1 + (1 + hash(i, 1) % 9) / 200) AS high,
            p * close * (1 - (1 + hash(i, 2) % 9) / 200) AS low,
            p * close AS close,
            v * (1000 + hash(i, 4) % 1000)::BIGINT AS volume
        FROM closes CROSS JOIN (VALUES ('as it is', 1, 1), ('prices', 2, 1), ('volumes', 1, 2)) AS twice (symbol, p, v)
        """
    )
    for benchmark in benchmarks_of(requests):
        con.execute(
            f"""
            INSERT INTO units SELECT {quoted(benchmark)}, date, x, x, x, x, 1 FROM (
                SELECT date, 50 + 5 * sin(i / 7) + hash(i, 5) % 9 AS x
                FROM (SELECT date, date - DATE '2000-01-01' AS i FROM units WHERE symbol = 'prices')
            )
            """
        )
    text = by_macros(requests, "units", where="symbol IN ('as it is', 'prices', 'volumes')")
    columns = con.sql(f"FROM ({text}) ORDER BY symbol, date").fetchnumpy()
    con.execute("DROP TABLE units")
    return {request.name: _unit(np.ma.filled(columns[request.name].astype(float), np.nan)) for request in requests}


def _unit(values: NDArray[np.float64]) -> Unit | None:
    once, prices, volumes = np.split(values, 3)
    powers = _power(once, prices), _power(once, volumes)
    return None if powers[0] is None or powers[1] is None else Unit(powers[0], powers[1])


def _power(once: NDArray[np.float64], twice: NDArray[np.float64]) -> int | None:
    largest = np.abs(once[np.isfinite(once)]).max(initial=0)
    if largest == 0 and np.isfinite(once).any() and not np.nan_to_num(twice).any():
        return 0  # such as a candlestick pattern that the synthetic bars do not have
    is_defined = np.isfinite(once) & (np.abs(once) > 1e-6 * largest)
    ratios = np.unique(np.round(twice[is_defined] / once[is_defined], 6))
    return POWERS.get(ratios[0]) if len(ratios) == 1 else None
