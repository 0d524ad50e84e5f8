"""The files source on layouts that vendors, spreadsheets and programs write: text in, rows and unread cells out."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.sources import Window, open_source

HEADER = "symbol,date,open,high,low,close,volume\n"


@dataclass
class Result:
    """What a source answered."""

    rows: list[tuple[Any, ...]]
    """symbol, date, close and volume, with the columns that a test names."""
    cells: list[tuple[Any, ...]]
    """column, text, line."""
    reasons: list[str]
    failed: dict[str, str]
    notes: list[str]


def read(
    folder: Path,
    files: Mapping[str, str | bytes],
    market: str = "US",
    select: str = "symbol, date::VARCHAR, close, volume",
    **options: Any,
) -> Result:
    """Write files into a folder and read them, all symbols in batches of one."""
    root = folder / "input"
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = open_source(
        f"files:{root / next(iter(files)) if len(files) == 1 else root}", MARKETS[market], settings(), **options
    )
    listings = source.listings()
    assert listings is not None
    result = Result([], [], [], {}, [])
    with duckdb.connect() as con:
        for company in listings.companies():
            for answer in source.fetch(con, [Window(company.symbol, date.min, date.max)]):
                assert answer.bars is not None
                assert answer.cells is not None
                result.rows += answer.bars.order("symbol, date, file, line").project(select).fetchall()
                cells = answer.cells.order("file, line").project("column_name, text, line, reason").fetchall()
                result.cells += [cell[:3] for cell in cells]
                result.reasons += [cell[3] for cell in cells]
                result.failed |= answer.failed
    result.notes = source.notes()
    return result


def zipped(**members: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return stream.getvalue()


A_DAY = ("A", "2024-01-02", 1.5, 5)
LAYOUTS: dict[str, tuple[str, str | bytes, list[tuple[Any, ...]]]] = {
    "comments and a title": ("x.csv", f"# Exported\nA report\n\n{HEADER}A,2024-01-02,1,2,1,1.5,5\n", [A_DAY]),
    "semicolons and decimal commas": (
        "x.csv",
        "symbol;date;close;volume\nA;02.01.2024;1,5;5\nA;15.01.2024;1.234,5;1.005.012\n",
        [A_DAY, ("A", "2024-01-15", 1234.5, 1005012)],
    ),
    "tabs and upper case": ("x.txt", "TICKER\tDATE\tCLOSE\tVOL\nA\t20240102\t1.5\t5\n", [A_DAY]),
    "quotes and blanks": ("x.csv", 'symbol, date, close, volume\nA, 2024-01-02, "1.5", 5\n', [A_DAY]),
    "UTF-16": ("x.csv", f"{HEADER}A,2024-01-02,1,2,1,1.5,5\n".encode("utf-16"), [A_DAY]),
    "UTF-16 without a mark": ("x.csv", f"{HEADER}A,2024-01-02,1,2,1,1.5,5\n".encode("utf-16-le"), [A_DAY]),
    "UTF-8 with a mark": ("x.csv", f"{HEADER}A,2024-01-02,1,2,1,1.5,5\n".encode("utf-8-sig"), [A_DAY]),
    "Latin-1": ("x.csv", "symbol,date,close,volume,firm\nA,2024-01-02,1.5,5,Société\n".encode("latin-1"), [A_DAY]),
    "gzip": ("x.csv.gz", gzip.compress(f"{HEADER}A,2024-01-02,1,2,1,1.5,5\n".encode()), [A_DAY]),
    "zip": ("x.zip", zipped(x__csv=f"{HEADER}A,2024-01-02,1,2,1,1.5,5\n"), [A_DAY]),
    "zip of a file per symbol": (
        "x.zip",
        zipped(A__csv="Date,Close,Volume\n2024-01-02,1.5,5\n", B__csv="Date,Close,Volume\n2024-01-02,2,6\n"),
        [A_DAY, ("B", "2024-01-02", 2.0, 6)],
    ),
    "Windows line ends": ("x.csv", f"{HEADER}A,2024-01-02,1,2,1,1.5,5\n".replace("\n", "\r\n"), [A_DAY]),
    "Stooq": (
        "a.us.txt",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
        "A.US,D,20240102,000000,1,2,1,1.5,5,0\n",
        [A_DAY],
    ),
    "Stooq without a header": ("a.us.txt", "A.US,D,20240102,000000,1,2,1,1.5,5,0\n", [A_DAY]),
    "MetaStock": (
        "A.txt", "<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\nA,20240102,1,2,1,1.5,5\n", [A_DAY]),
    "EODData": ("NYSE_20240102.csv", "Symbol,Date,Open,High,Low,Close,Volume\nA,02-Jan-2024,1,2,1,1.5,5\n", [A_DAY]),
    "EODData without a header": ("NYSE_20240102.txt", "A,20240102,1,2,1,1.5,5\n", [A_DAY]),
    "a file per symbol without a header": ("A.csv", "2024-01-02,1,2,1,1.5,5\n", [A_DAY]),
    "Nasdaq.com": ("A.csv", "Date,Close/Last,Volume,Open,High,Low\n01/02/2024,$1.50,5,$1,$2,$1\n", [A_DAY]),
    "Polygon flat file": (
        "2024-01-02.csv.gz",
        gzip.compress(
            b"ticker,volume,open,close,high,low,window_start,transactions\nA,5,1,1.5,2,1,1704171600000000000,7\n"
        ),
        [A_DAY],
    ),
    "Alpha Vantage": (
        "A.csv",
        "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
        "2024-01-02,1,2,1,1.5,1.5,5,0.0000,1.0\n",
        [A_DAY],
    ),
    "Investing.com": (
        "A.csv",
        '"Date","Price","Open","High","Low","Vol.","Change %"\n"01/16/2024","2","1","2","1","12.6K","1.5%"\n',
        [("A", "2024-01-16", 2.0, 12600)],
    ),
    "yfinance, wide": (
        "prices.csv",
        "Price,Adj Close,Adj Close,Close,Close,Volume,Volume\nTicker,A,B,A,B,A,B\nDate,,,,,,\n"
        "2024-01-02,1.4,2,1.5,2.5,5,6\n2024-01-03,1.4,,1.5,,5,\n",
        [A_DAY, ("A", "2024-01-03", 1.5, 5), ("B", "2024-01-02", 2.5, 6)],
    ),
    "yfinance, grouped by symbols that are names of columns": (
        "prices.csv",
        "Ticker,C,C,C,V,V,V\nPrice,Close,Volume,Capital Gains,Close,Volume,Capital Gains\nDate,,,,,,\n"
        "2024-01-02,1.5,5,0,2.5,6,0\n",
        [("C", "2024-01-02", 1.5, 5), ("V", "2024-01-02", 2.5, 6)],
    ),
    "yfinance, one symbol": (
        "prices.csv",
        "Price,Close,High,Low,Open,Volume\nTicker,A,A,A,A,A\nDate,,,,,\n2024-01-02,1.5,2,1,1,5\n",
        [A_DAY],
    ),
    "thousands": (
        "x.csv", 'symbol,date,close,volume\nA,2024-01-02,"1,001.5","5,012"\n', [("A", "2024-01-02", 1001.5, 5012)]),
    "currency signs": (
        "x.csv",
        "symbol,date,close\nA,2024-01-02,$10.50\nA,2024-01-03,A$11.00\nA,2024-01-04,12 USD\n",
        [("A", "2024-01-02", 10.5, None), ("A", "2024-01-03", 11.0, None), ("A", "2024-01-04", 12.0, None)],
    ),
    "suffixes": ("x.csv", "symbol,date,close,volume\nA,2024-01-02,1.5,5.1M\n", [("A", "2024-01-02", 1.5, 5100000)]),
    "two-digit years": (
        "x.csv",
        "symbol,date,close,volume\nA,02/01/24,1.5,5\nA,15/01/24,2,6\n",
        [A_DAY, ("A", "2024-01-15", 2.0, 6)],
    ),
    "month's name": (
        "x.csv",
        'symbol,date,close,volume\nA,"Jan 02, 2024",1.5,5\nA,"February 3, 2024",2,6\n',
        [A_DAY, ("A", "2024-02-03", 2.0, 6)],
    ),
    "epoch in seconds": ("x.csv", "symbol,timestamp,close,volume\nA,1704153600,1.5,5\n", [A_DAY]),
    "epoch in milliseconds": ("x.csv", "symbol,timestamp,close,volume\nA,1704171600000,1.5,5\n", [A_DAY]),
    "epoch in microseconds": ("x.csv", "symbol,timestamp,close,volume\nA,1704171600000000,1.5,5\n", [A_DAY]),
    "moments with an offset": ("x.csv", "symbol,date,close,volume\nA,2024-01-03 02:00:00+00:00,1.5,5\n", [A_DAY]),
    "days at midnight in UTC": ("x.csv", "symbol,date,close,volume\nA,2024-01-02T00:00:00Z,1.5,5\n", [A_DAY]),
    "two cases": (
        "x.csv",
        "symbol,date,close,volume\nBCpC,2024-01-02,1,1\nBCPC,2024-01-02,2,2\nbc,2024-01-02,3,3\n",
        [("BC", "2024-01-02", 3.0, 3), ("BCPC", "2024-01-02", 2.0, 2), ("BCpC", "2024-01-02", 1.0, 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_usual_layout_is_read(name: str, tmp_path: Path) -> None:
    file, content, rows = LAYOUTS[name]
    result = read(tmp_path, {file: content})
    assert result.rows == rows
    assert (result.cells, result.failed) == ([], {})


UNREAD: dict[str, tuple[str, int, list[tuple[Any, ...]]]] = {
    "another style of date": ("A,2024-01-02,1\nA,03/01/2024,2\nA,2024-01-04,3\n", 2, [("date", "03/01/2024", 3)]),
    "a day before 1800": ("A,2024-01-02,1\nA,0024-01-03,2\n", 1, [("date", "0024-01-03", 3)]),
    "a day in the future": ("A,2024-01-02,1\nA,2097-01-02,2\n", 1, [("date", "2097-01-02", 3)]),
    "digits that are not ASCII": ("A,2024-01-02,1\nA,2024-01-03,٢\n", 2, [("close", "٢", 3)]),
    "another style of number": ("A,2024-01-02,1.5\nA,2024-01-03,1.5\nA,2024-01-04,\"2,5\"\n", 3, [("close", "2,5", 4)]),
    "a footer": ("A,2024-01-02,1\nTotal,1,\nData by X\n", 1, [(None, "Data by X", 4), ("date", "1", 3)]),
    "a remark beyond the columns": ("A,2024-01-02,1,halted\n", 1, [(None, "halted", 2)]),
    "a number cut by the delimiter": ("A,2024-01-02,1\nA,2024-01-03,1,234.5\n", 1, [(None, "A,2024-01-03,1,234.5", 3)]),
    "a row without a date": ("A,2024-01-02,1\nA,,2\n", 1, [("date", "", 3)]),
    "a row without a symbol": ("A,2024-01-02,1\n,2024-01-03,2\n", 1, [("symbol", "", 3)]),
    "an open quote": (
        'A,2024-01-02,1\nA,"2024-01-03,2\nA,2024-01-04,3\n', 1, [(None, "A,2024-01-03,2\nA,2024-01-04,3\n", 4)]),
    "a symbol alone": ("A,2024-01-02,1\nTotal,,\n,,\n", 1, [("date", "", 3)]),
    "nothing": ("A,2024-01-02,1\nA,2024-01-03,nan\nA,2024-01-04,n/a\nA,2024-01-05,null\n", 4, []),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
def test_what_cannot_be_read_is_counted_with_its_line_and_text(name: str, tmp_path: Path) -> None:
    text, rows, cells = UNREAD[name]
    result = read(tmp_path, {"x.csv": f"symbol,date,close\n{text}"})
    assert len(result.rows) == rows
    assert sorted(result.cells, key=str) == sorted(cells, key=str)


def test_volumes_are_whole_numbers_that_fit(tmp_path: Path) -> None:
    volumes = ("3000000000", "0.5", "1.2345e+10", "99999999999999999999", "-7", "12.6M", "-", "9007199254740993")
    text = "".join(f"{chr(65 + at)},2024-01-02,1,{volume}\n" for at, volume in enumerate(volumes))
    result = read(tmp_path, {"x.csv": f"symbol,date,close,volume\n{text}"})
    assert [row[3] for row in result.rows] == [
        3000000000,
        None,
        12345000000,
        None,
        -7,
        12600000,
        None,
        9007199254740993,
    ]
    assert result.cells == [("volume", "0.5", 3), ("volume", "99999999999999999999", 5), ("volume", "-", 8)]
    assert result.reasons == ["not a whole number", "above 9223372036854775807", "no number"]


TWO = "Date,Open,Close\n2024-01-02,1,2\n"
REFUSED: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "a column of other things": (
        {"x.csv": "symbol,date,close,volume\nA,2024-01-02,1,many\n"},
        {},
        "no cell of the column volume can be read as volume.*'many' in line 2.*--column volume=",
    ),
    "ambiguous dates": (
        {"x.csv": "symbol,date,close\nA,01/02/2024,1\n"},
        {},
        "'01/02/2024' can be 2024-02-01 or 2024-01-02: use --date-format",
    ),
    "ambiguous numbers": ({"x.csv": "symbol;date;close\nA;2024-01-02;7,005\n"}, {}, "'7,005'.*--decimal"),
    "bars of parts of a day": (
        {"A.csv": "Datetime,Close\n2024-01-02 09:30,1\n2024-01-02 10:30,2\n"},
        {},
        "A has several bars per day.*--aggregate",
    ),
    "two files with a day of one symbol": (
        {"A.csv": TWO, "more/A.US.csv": TWO},
        {},
        "two files have bars of A on 2024-01-02: .*A.csv and .*A.US.csv",
    ),
    "dividends that may be in the prices": ({"A.csv": "Date,Close,Dividends\n2024-01-02,1,0.5\n"}, {}, "--prices"),
    "an unknown order": ({"A.csv": TWO}, {"date_format": "english"}, "--date-format english"),
    "an unknown decimal sign": ({"A.csv": TWO}, {"decimal": "x"}, "--decimal x"),
    "a column that no file has": ({"A.csv": TWO}, {"columns": {"close": "Last"}}, "--column close=Last"),
    "names in other words": (
        {"A.csv": "Date,Preis\n2024-01-02,1\n"},
        {},
        "looks like close .it has Date, Preis.*--column",
    ),
    "an error page": ({"A.csv": "Too Many Requests\n"}, {}, "begins with 'Too Many Requests'"),
    "an empty file": ({"A.csv": ""}, {}, "is empty"),
    "six numbers without names": ({"A.csv": "2024-01-02,1,2,1,1.5,1.5,5\n"}, {}, "--column date=2 --column close=6"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_a_guess_is_refused_with_the_option_that_helps(name: str, tmp_path: Path) -> None:
    files, options, message = REFUSED[name]
    with pytest.raises(UsageError, match=message):
        read(tmp_path, files, **options)


def test_options_decide_what_the_data_leave_open(tmp_path: Path) -> None:
    files = {"x.csv": "symbol;date;close;volume\nA;01/02/2024;7,005;5\n"}
    assert read(tmp_path, files, date_format="D/M/Y", decimal=",").rows == [("A", "2024-02-01", 7.005, 5)]
    assert read(tmp_path, files, date_format="M/D/Y", decimal=".").rows == [("A", "2024-01-02", 7005.0, 5)]
    assert read(tmp_path, files, date_format="%d/%m/%Y", decimal=".").rows == [("A", "2024-02-01", 7005.0, 5)]
    numbered = {"A.csv": "2024-01-02,1,2,1,1.5,9,5\n"}
    assert read(tmp_path, numbered, columns={"date": "1", "close": "6", "volume": "7"}).rows == [
        ("A", "2024-01-02", 9.0, 5)
    ]


def test_an_unreadable_column_is_refused_before_all_files_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    text = HEADER + "".join(f"A,2024-01-{day:02},1,1,1,x{day},5\n" for day in range(1, 20))
    for name in [f"{number:03}.csv" for number in range(30)]:
        (folder / name).write_text(text)
    (folder / "last.csv.gz").write_bytes(gzip.compress(text.encode())[:-9])  # would be noticed if it were read whole
    with pytest.raises(UsageError, match=r"000.csv: no cell of the column close .* 'x1' in line 2"):
        open_source(f"files:{folder}", MARKETS["US"], settings()).listings().companies()  # type: ignore[union-attr]


def test_columns_are_mapped_per_file_and_those_without_use_are_said(tmp_path: Path) -> None:
    files = {
        "A.csv": "Date,Close,Adj Close,Trades\n2024-01-02,1,1,7\n",
        "B.csv": "date,close,adj_close\n2024-01-02,2,2\n",
        "C.csv": "Datetime,o,c\n2024-01-02,3,3\n",
        "read.me": "text",
    }
    result = read(tmp_path, files, select="symbol, close, adjusted_close")
    assert result.rows == [("A", 1.0, 1.0), ("B", 2.0, 2.0), ("C", 3.0, None)]
    assert any("Trades (in 1 of 3 files)" in note for note in result.notes)
    assert any("read.me" in note for note in result.notes)


def test_a_file_or_symbol_without_a_row_is_missing_by_its_name(tmp_path: Path) -> None:
    files = {
        "A.csv": TWO,
        "BRK.B.csv": b"\0\1\2\xff",
        "EMPTY.US.csv": "",
        "HDR.csv": "Date,Close\n",
        "X.csv": "Too Many Requests\r\n",
        "D.csv": "symbol,date,close\nD,2024-01-02,1\nE,soon,1\n",
    }
    result = read(tmp_path, files)
    assert sorted(result.failed) == ["BRK.B", "E", "EMPTY", "HDR", "X"]
    assert "'soon'" in result.failed["E"]


def test_cells_without_a_symbol_are_in_one_answer(tmp_path: Path) -> None:
    result = read(tmp_path, {"x.csv": "symbol,date,close\nA,2024-01-02,1\nB,2024-01-02,2\nC,2024-01-02,3\nremark\n"})
    assert (len(result.rows), result.cells) == (3, [(None, "remark", 5)])


def test_bars_of_parts_of_a_day_are_aggregated_on_request(tmp_path: Path) -> None:
    rows = "".join(
        f"2024-01-02 {hour}:30:00-05:00,{price},{price},{price},{price},{volume}\n"
        for hour, price, volume in (("15", 3, 70), ("09", 1, 500), ("10", 2, 60))
    )
    files = {"A.csv": f"Datetime,Open,High,Low,Close,Volume\n{rows}"}
    result = read(tmp_path, files, aggregate=True, select="date::VARCHAR, open, high, low, close, volume")
    assert result.rows == [("2024-01-02", 1.0, 3.0, 1.0, 3.0, 630)]
    assert result.notes == ["3 bars of parts of a day were aggregated to 1 daily bars"]
    split = {"x.csv": "symbol,date,time,close\nA,2024-01-02,09:30,1\nA,2024-01-02,16:00,3\n"}
    assert read(tmp_path / "split", split, aggregate=True).rows == [("A", "2024-01-02", 3.0, None)]


def test_the_rows_of_actions_in_yahoos_csv(tmp_path: Path) -> None:
    text = (
        "Date,Open,High,Low,Close,Adj Close,Volume\n2024-05-10,184,185,182,183,182.8,50\n"
        "2024-05-10,0.25 Dividend,,,,,\n"
        "2024-05-10,0.25 Dividend,,,,,\n2024-05-09,182,184,182,184,184,48\n2024-05-09,4:1 Stock Split,,,,,\n"
    )
    result = read(tmp_path, {"A.csv": text}, select="date::VARCHAR, close, dividend, split_ratio")
    assert result.rows == [("2024-05-09", 184.0, None, 4.0), ("2024-05-10", 183.0, 0.25, None)]
    assert result.cells == []


def test_two_actions_of_a_day_that_differ_are_said(tmp_path: Path) -> None:
    text = "Date,Close,Dividends\n2024-05-10,183,0\n2024-05-10,,0.25\n2024-05-10,,0.5\n"
    result = read(tmp_path, {"A.csv": text}, select="close, dividend", prices="adjusted")
    assert result.rows == [(183.0, None)]
    assert result.cells == [("dividend", "0.25", 3), ("dividend", "0.5", 4)]


@pytest.mark.parametrize("text", ["4:1", "4/1", "4-for-1", "4 for 1", "4.0"])
def test_ratios_of_splits(text: str, tmp_path: Path) -> None:
    result = read(tmp_path, {"A.csv": f"Date,Close,Split\n2024-05-09,8,\n2024-05-10,2,{text}\n"}, select="split_ratio")
    assert result.rows == [(None,), (4.0,)]


def test_a_day_in_the_future_is_not_the_basis_of_the_prices(tmp_path: Path) -> None:
    files = {"A.csv": "Date,Close\n2024-01-02,1\n2024-01-03,1\n2099-01-05,1\n"}
    result = read(tmp_path, files, select="price_basis::VARCHAR")
    assert result.rows == [("2024-01-03",), ("2024-01-03",)]
    assert result.cells == [("date", "2099-01-05", 4)]


def test_every_row_of_a_day_is_delivered_with_its_place(tmp_path: Path) -> None:
    files = {"x.csv": "symbol,date,close\nA,2024-01-02,1\nA,2024-01-02,2\n"}
    assert read(tmp_path, files, select="close, line").rows == [(1.0, 2), (2.0, 3)]


def test_cells_of_parquet_that_cannot_be_cast_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    contents = {
        "a": "('A', '2024-01-02', '1.5', 5::DOUBLE), ('A', 'x', '2', 6)",
        "b": "('B', '2024-01-02', 'y', 0.5::DOUBLE)",
    }
    for name, values in contents.items():
        duckdb.sql(f"COPY (FROM (VALUES {values}) t(symbol, date, close, volume)) TO '{folder}/{name}.parquet'")
    with pytest.raises(UsageError, match=r"b.parquet: no cell of the column close .* 'y' in line 1"):
        open_source(f"files:{folder}/b.parquet", MARKETS["US"], settings()).listings().companies()  # type: ignore[union-attr]
    source = open_source(f"files:{folder}", MARKETS["US"], settings())
    with duckdb.connect() as con:
        (answer,) = source.fetch(con, [Window("A", date.min, date.max), Window("B", date.min, date.max)])
        assert answer.cells is not None
        assert answer.cells.project("symbol, column_name, text, line").order("symbol, column_name").fetchall() == [
            ("A", "date", "x", 2),
            ("B", "close", "y", 1),
            ("B", "volume", "0.5", 1),
        ]
