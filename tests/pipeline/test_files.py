"""The files source: any CSV or Parquet file, through the pipeline into a lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source

ASX = MARKETS["ASX"]

YAHOO_DOWNLOAD = """Date,Open,High,Low,Close,Adj Close,Volume
2020-02-03,10,11,9,10.5,10.0,1000
2020-02-04,null,null,null,null,null,null
2020-02-05,10.5,12,10,11.5,11.0,2000
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def load(lake: Lake, path: Path, **options: Any) -> dict[str, Any]:
    return run(lake, open_source(f"files:{path}", ASX, settings(), **options), ASX, day=date(2021, 8, 2))


def bars(lake: Lake, columns: str) -> list[tuple[Any, ...]]:
    with lake.session() as con:
        return con.sql(f"SELECT {columns} FROM bars ORDER BY symbol, date").fetchall()


def test_a_folder_of_downloads_named_after_their_symbols(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in ("BHP.AX.csv", "CBA.AX.csv"):
        (folder / name).write_text(YAHOO_DOWNLOAD)
    result = load(lake, folder)
    assert (result["status"], result["rows"], result["listings"]["count"]) == ("complete", 4, 2)
    assert bars(lake, "symbol, date::VARCHAR, close, adjusted_close, volume, price_basis::VARCHAR")[:2] == [
        ("BHP", "2020-02-03", 10.5, 10.0, 1000, "2020-02-05"),
        ("BHP", "2020-02-05", 11.5, 11.0, 2000, "2020-02-05"),
    ]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("symbol,date,open,high,low,close,volume", {}),
        ("Ticker,Date,Open,High,Low,Close,Volume", {}),
        ("ASX Code,TIMESTAMP,o,h,l,c,v", {}),
        ("Instrument,When,a,b,c_,d,e", dict(zip(("symbol", "date", "open", "high", "low", "close", "volume"),
                                               ("Instrument", "When", "a", "b", "c_", "d", "e"), strict=True))),
    ],
)  # fmt: skip
def test_column_names_are_recognised_or_mapped(
    header: str, columns: dict[str, str], lake: Lake, tmp_path: Path
) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(f"{header}\nbhp,2020-02-03 00:00:00+11:00,1,3,0.5,2,100\n")
    load(lake, path, columns=columns)
    assert bars(lake, "symbol, date::VARCHAR, open, high, low, close, volume") == [
        ("BHP", "2020-02-03", 1.0, 3.0, 0.5, 2.0, 100)
    ]


def test_parquet_with_the_types_of_another_program(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    moment = "TIMESTAMPTZ '2020-02-02 23:00:00+00'"  # 10:00 of the next day in Sydney
    duckdb.sql(f"""COPY (
        SELECT 'BHP.AX' AS code, {moment} AS datetime, 1::FLOAT AS open, 2::DECIMAL(9, 3) AS high, 1 AS low,
            1.5::FLOAT AS close, 'nan'::DOUBLE AS volume
    ) TO '{path}'""")
    load(lake, path)
    assert bars(lake, "symbol, date::VARCHAR, open, high, low, close, volume") == [
        ("BHP", "2020-02-03", 1.0, 2.0, 1.0, 1.5, None)
    ]


@pytest.mark.parametrize(
    ("prices", "basis"),
    [("as-traded", "2020-02-03"), ("adjusted", "2020-02-05"), ("adjusted:2021-06-30", "2021-06-30")],
)
def test_prices_declares_which_splits_the_prices_include(prices: str, basis: str, lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "BHP.csv").write_text(YAHOO_DOWNLOAD)
    load(lake, tmp_path / "BHP.csv", prices=prices)
    assert bars(lake, "price_basis::VARCHAR")[0] == (basis,)


def test_a_corrected_declaration_of_prices_is_accepted(lake: Lake, tmp_path: Path) -> None:
    """Imported as adjusted by mistake, then again as traded: the same closes are new rows, as a split lies between."""
    path = tmp_path / "BHP.csv"
    path.write_text("Date,Close,Stock Splits\n2020-02-03,10,0\n2020-02-04,5,2\n2020-02-05,5,0\n")
    load(lake, path, prices="adjusted")
    assert _adjusted(lake) == [10.0, 5.0, 5.0]
    source = open_source(f"files:{path}", ASX, settings(), prices="as-traded")
    run(lake, source, ASX, day=date(2021, 8, 2), start=date(2020, 1, 1), end=date(2021, 1, 1))
    assert _adjusted(lake) == [5.0, 5.0, 5.0]


def test_a_file_without_actions_does_not_make_the_lake_forget_them(lake: Lake, tmp_path: Path) -> None:
    first, second = tmp_path / "BHP.csv", tmp_path / "again" / "BHP.csv"
    second.parent.mkdir()
    first.write_text("Date,Close,Dividends\n2020-02-03,10,0\n2020-02-04,9,1\n")
    second.write_text("Date,Close\n2020-02-03,10\n2020-02-04,9.5\n")
    load(lake, first, prices="adjusted")
    source = open_source(f"files:{second}", ASX, settings())
    run(lake, source, ASX, day=date(2021, 8, 2), start=date(2020, 1, 1), end=date(2021, 1, 1))
    assert bars(lake, "close, dividend") == [(10.0, 0.0), (9.5, 1.0)]


def test_one_bad_file_in_a_folder_is_named_and_the_rest_stored(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    duckdb.sql(f"COPY (SELECT DATE '2020-02-03' AS date, 1.5 AS close) TO '{folder}/BHP.parquet'")
    (folder / "CBA.parquet").write_bytes(b"PAR1 half a file")
    result = load(lake, folder)
    assert (result["status"], result["rows"]) == ("partial", 1)
    assert result["missing"][0]["symbol"] == "CBA"
    assert "CBA.parquet cannot be read" in result["missing"][0]["reason"]


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("none", None, {}, "there is no such file or folder"),
        ("a.csv", "symbol,open\nBHP,1\n", {}, "no column that looks like date"),
        ("a.csv", "date,open\n2020-02-03,1\n", {}, "no column that looks like close"),
        ("a.csv", "date,close\n2020-02-03,1\n", {"columns": {"close": "Last"}}, "--column close=Last"),
        ("a.csv", "date,close\n2020-02-03,1\n", {"columns": {"clse": "close"}}, "--column clse"),
        ("a.csv", "date,close\n2020-02-03,1\n", {"prices": "adjusted:yesterday"}, "--prices adjusted:yesterday"),
        ("a.csv", "date,close\nyesterday,1\n", {}, "no cell of the column date can be read"),
        ("a.parquet", "no Parquet", {}, "cannot be read"),
    ],
)
def test_an_unreadable_file_is_refused_with_the_reason(
    name: str, text: str | None, options: dict[str, Any], message: str, lake: Lake, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        load(lake, tmp_path / name, **options)


@pytest.mark.large
def test_real_bars_of_the_whole_market(lake: Lake, shared: Path) -> None:
    """722,988 rows of 2,188 symbols, as a vendor delivered them."""
    result = load(lake, shared / "ohlcv" / "asx_yahoo_2020_2021.parquet")
    assert (result["status"], result["symbols"], result["batches"]) == ("complete", 2188, 22)
    assert result["rows"] == 722_987, "all but the one row without any value"
    with lake.session() as con:
        assert con.sql("SELECT count(*), count(DISTINCT (symbol, date)) FROM bars").fetchall() == [(722_987, 722_987)]
        theirs = con.sql(f"SELECT sum(close), sum(volume) FROM '{shared}/ohlcv/asx_yahoo_2020_2021.parquet'").fetchall()
        ours = con.sql("SELECT sum(close), sum(volume) FROM bars").fetchall()
    assert ours[0][1] == theirs[0][1]
    assert ours[0][0] == pytest.approx(theirs[0][0], rel=1e-12)


def _adjusted(lake: Lake) -> list[float]:
    with lake.session() as con:
        return [row[0] for row in con.sql("SELECT close FROM bars_adjusted ORDER BY date").fetchall()]
