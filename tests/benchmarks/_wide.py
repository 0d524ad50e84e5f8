"""Twenty columns of a Parquet file of bars, from the file to Arrow: ours, and those of polars-talib.

`python -m tests.benchmarks._wide ours FILE` (or `polars`) prints the peak of the process's memory in bytes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

COLUMNS = [
    "sma_20", "ema_20", "wma_20", "rsi_14", "macd", "macd_signal", "macd_hist", "stoch_k", "stoch_d", "bollinger_upper",
    "bollinger_middle", "bollinger_lower", "bollinger_percent", "bollinger_width", "atr_14", "obv", "vwap",
    "vwap_value", "vwap_volume", "vwap_rolling_20",
]  # fmt: skip


def ours(bars: Path, threads: int = 2, *columns: str) -> Any:
    """Return a table of Arrow with the columns, all of COLUMNS by default."""
    import duckdb
    import pyarrow as pa

    from stockstream.sql.catalogue import catalogue
    from stockstream.sql.compiler import parse, plan

    with duckdb.connect(config={"threads": threads}) as con:
        con.execute(f"CREATE VIEW bars AS FROM '{bars}'")
        rows = plan(con, parse(columns or COLUMNS, catalogue()), "bars", is_unique=True).rows
        assert rows is not None
        rows.read()
        return pa.Table.from_batches(rows.batches(threads=threads))


def polars(bars: Path) -> Any:
    """Return a frame of polars with the same columns, on as many threads as polars uses."""
    import polars as pl
    import polars_talib as plta

    names = ["symbol", "date", "high", "low", "close", "volume"]
    frame = pl.read_parquet(bars, columns=names).with_columns(pl.col("volume").cast(pl.Float64))
    c, h, low, v = (pl.col(name) for name in ("close", "high", "low", "volume"))
    typical, by = (h + low + c) / 3, "symbol"
    upper, middle, lower = (pl.col("bollinger").struct[at] for at in range(3))
    return frame.with_columns(
        plta.sma(c, 20).over(by).alias("sma_20"),
        plta.ema(c, 20).over(by).alias("ema_20"),
        plta.wma(c, 20).over(by).alias("wma_20"),
        plta.rsi(c, 14).over(by).alias("rsi_14"),
        plta.macd(c, 12, 26, 9).over(by).alias("macd"),
        plta.stoch(h, low, c, 14, 3, 0, 3, 0).over(by).alias("stoch"),
        plta.bbands(c, 20, 2.0, 2.0).over(by).alias("bollinger"),
        plta.atr(h, low, c, 14).over(by).alias("atr_14"),
        plta.obv(c, v).over(by).alias("obv"),
        (typical * v).cum_sum().over(by).alias("vwap_value"),
        v.cum_sum().over(by).alias("vwap_volume"),
        ((typical * v).rolling_sum(20) / v.rolling_sum(20)).over(by).alias("vwap_rolling_20"),
    ).with_columns(
        (pl.col("vwap_value") / pl.col("vwap_volume")).alias("vwap"),
        ((c - lower) / (upper - lower)).alias("bollinger_percent"),
        ((upper - lower) / middle).alias("bollinger_width"),
    )


def peak() -> int:
    """Return the peak of this process's memory in bytes, on Linux."""
    match = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


if __name__ == "__main__":
    result = {"ours": ours, "polars": polars}[sys.argv[1]](Path(sys.argv[2]))
    print(peak())
