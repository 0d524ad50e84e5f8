"""The live bars of a recorded day by polars, from the frames alone, without any code of the fold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import duckdb
import polars as pl
from polars.testing import assert_frame_equal

from stockstream.pipeline.live.fold import Session
from tests.pipeline.live.day import WINDOW, MarketDay

COLUMNS = (
    "symbol, session, open, high, low, close, volume, previous_close, split_ratio, change, change_percent, "
    "moving_average, live.at, missed, late, events"
)
"""The columns of the view `live` that the frames decide."""
NUMBERS = {"v": pl.Float64, "av": pl.Float64, "op": pl.Float64} | dict.fromkeys("ohlc", pl.Float64) | {"s": pl.Int64}


def events_of(frames: Iterable[bytes], known: Iterable[str], session: Session) -> pl.DataFrame:
    """Return the believable second aggregates of a file, in the order of their arrival, and which are in time."""
    parts: list[dict[str, Any]] = []
    for frame in frames:
        try:
            parts += json.loads(frame, parse_constant=_refused)
        except (ValueError, RecursionError):
            continue
    rows = [part for part in parts if part.get("ev") == "A" and not isinstance(part.get("v"), str)]
    schema = {"sym": pl.String, **NUMBERS}
    return (
        pl.DataFrame([[row.get(name) for name in schema] for row in rows], schema, strict=False, orient="row")
        .filter(
            pl.col("sym").is_in(list(known)),
            pl.col("l") > 0,
            pl.min_horizontal("o", "c") >= pl.col("l"),
            pl.max_horizontal("o", "c") <= pl.col("h"),
            pl.col("h") < 1e9,
            pl.col("v").is_between(0, 1e13),
            pl.col("s").is_between(session.day_from, session.day_until, closed="left"),
            pl.col("s") % 1000 == 0,
        )
        .with_columns(newest=pl.col("s").cum_max().over("sym"))
        .with_columns(is_in_time=pl.col("newest") - pl.col("s") < 1000 * WINDOW)
    )


def counts_of(events: pl.DataFrame, session: Session) -> dict[str, int]:
    """Return how many of the believable events are in no bar, by reason."""
    once = _once(events)
    outside = ~pl.col("s").is_between(session.opens, session.closes, closed="left")
    counts = {
        "too late": events.filter(~pl.col("is_in_time")).height,
        "duplicate": events.filter("is_in_time").height - once.height,
        "outside the session": once.filter(outside).height,
    }
    return {reason: count for reason, count in counts.items() if count}


def live_of(day: MarketDay, session: Session, repaired: bool = False) -> pl.DataFrame:
    """Return the rows of the view `live` after all frames of a day.

    With `repaired`, events that came too late are in the bars, too; `late` has no meaning then.
    """
    events = events_of(day.frames, day.symbols, session)
    once = _once(events.with_columns(is_in_time=pl.lit(True)) if repaired else events).with_columns(
        inside=pl.col("s").is_between(session.opens, session.closes, closed="left"),
        shares=(pl.col("v") * 1e6).round().cast(pl.Int64),
        total=(pl.col("av") * 1e6).round().cast(pl.Int64),
    )
    inside = pl.col("inside")
    ratio = pl.col("symbol").replace_strict(day.splits, default=1.0, return_dtype=pl.Float64)
    close = pl.col("symbol").replace_strict(day.closes, default=None, return_dtype=pl.Float64)
    bars = (
        once.sort("s", maintain_order=True)
        .group_by("sym")
        .agg(
            official=pl.col("op").filter(inside & (pl.col("op") > 0)).first(),
            open=pl.col("o").filter(inside).first(),
            high=pl.col("h").filter(inside).max(),
            low=pl.col("l").filter(inside).min(),
            close=pl.col("c").filter(inside).last(),
            at=pl.col("s").filter(inside).last() + 1000,
            volume=pl.col("shares").filter(inside).sum(),
            missed=pl.col("total").last() - pl.col("shares").sum(),
            late=(pl.col("s") < pl.col("newest")).sum().cast(pl.Int64),
            events=inside.sum().cast(pl.Int64),
        )
        .filter(pl.col("events") > 0)
        .rename({"sym": "symbol"})
        .with_columns(
            session=pl.lit(date.fromisoformat(session.date)),
            open=pl.coalesce("official", "open"),
            high=pl.max_horizontal("high", "official"),
            low=pl.min_horizontal("low", "official"),
            split_ratio=ratio,
            previous_close=close / ratio,
            # Polars would multiply by the inverse, which is rounded.
            volume=pl.col("volume").map_batches(_shares, pl.Float64),
            missed=pl.col("missed").map_batches(_shares, pl.Float64),
            at=pl.from_epoch("at", "ms").cast(pl.Datetime("us")),
        )
    )
    prices = pl.col("open") + pl.col("high") + pl.col("low") + pl.col("close")
    return bars.select(
        *("symbol", "session", "open", "high", "low", "close", "volume", "previous_close", "split_ratio"),
        change=pl.col("close") - pl.col("previous_close"),
        change_percent=100 * (pl.col("close") / pl.col("previous_close") - 1),
        moving_average=prices / 4,
        **{name: pl.col(name) for name in ("at", "missed", "late", "events")},
    ).sort("symbol")


def bars_live_of(day: MarketDay, live: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `bars_live` before the batch has bars of the day: symbol, date, prices, volume, is_live."""
    return handed_over(day, live, None)


def handed_over(day: MarketDay, live: pl.DataFrame, batch: pl.DataFrame | None) -> pl.DataFrame:
    """Return the rows of `bars_live` when the batch has the day's bars of some symbols."""
    ratio = pl.col("symbol").replace_strict(day.splits, default=1.0, return_dtype=pl.Float64)
    before = day.history().with_columns(is_live=pl.lit(False))
    before = before.with_columns(pl.col("open", "high", "low", "close") / ratio, volume=pl.col("volume") * ratio)
    running = live.with_columns(date=pl.col("session"), is_live=pl.lit(True))
    names = ["symbol", "date", "open", "high", "low", "close", "volume", "is_live"]
    parts = [before, running]
    if batch is not None:
        parts = [before, running.join(batch, on="symbol", how="anti"), batch.with_columns(is_live=pl.lit(False))]
    rows = pl.concat([part.select(names) for part in parts], how="vertical_relaxed")
    return rows.with_columns(pl.col("volume").round().cast(pl.Int64)).sort("symbol", "date")


def rest_of(day: MarketDay, session: Session) -> dict[str, list[dict[str, Any]]]:
    """Return the seconds of a day as the vendor's REST API has them, by the path of a request."""
    events = events_of(day.frames, day.symbols, session).unique(["sym", "s"], keep="first").sort("s")
    rows = events.rename({"s": "t"}).select("sym", "t", *"ohlcv")
    until = session.day_until - 1
    return {
        f"/v2/aggs/ticker/{name}/range/1/second/{session.day_from}/{until}": part.drop("sym").to_dicts()
        for (name,), part in rows.partition_by("sym", as_dict=True).items()
    }


def assert_live_equals(con: duckdb.DuckDBPyConnection, expected: pl.DataFrame, *without: str) -> None:
    """Compare every cell of the view `live`, to the last bit, but those of the columns of `without`."""
    rows = con.execute(f"SELECT {COLUMNS} FROM live ORDER BY symbol").pl()
    assert_frame_equal(rows.drop(without), expected.drop(without), check_exact=True)


def assert_bars_live_equal(con: duckdb.DuckDBPyConnection, expected: pl.DataFrame) -> None:
    """Compare every cell of the view `bars_live`, to the last bit."""
    rows = con.execute(f"SELECT {', '.join(expected.columns)} FROM bars_live ORDER BY symbol, date").pl()
    assert_frame_equal(rows, expected, check_exact=True)


def _once(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events that are in time, each once: as it came first."""
    return events.filter("is_in_time").unique(["sym", "s"], keep="first", maintain_order=True)


def _shares(millionths: pl.Series) -> pl.Series:
    return pl.Series([one / 1_000_000 for one in millionths])


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
