"""Charts: what is drawn is what the lake has, a page needs no network, and a browser draws and zooms it."""

from __future__ import annotations

import json
import re
import resource
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stockstream import analytics
from stockstream.analytics.backtest import MovingAverageCrossover, Result, backtest
from stockstream.analytics.plot import Chart, candles
from stockstream.sql.errors import ArgumentError, LakeError, UsageError

pytest.importorskip("altair", reason="the plot extra is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FROM, TO = "2005-01-03", "2005-06-30"  # with a split of Apple's
HOSTILE = "</script><script>document.title='caught'</script>"
GREEN = """() => {
    const canvas = document.querySelector("#chart canvas");
    if (!canvas) return 0;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let at = 0; at < pixels.length; at += 4)
        if (pixels[at] === 0x16 && pixels[at + 1] === 0x79 && pixels[at + 2] === 0x4c) count++;
    return count;
}"""
"""The number of pixels of rising candles."""


@pytest.fixture(scope="module")
def result(demo_lake: str) -> Result:
    symbols = ["AAPL", "IBM"]
    return backtest(
        MovingAverageCrossover(), demo_lake, symbols=symbols, start=FROM, end="2006-06-30", with_history=True
    )


@pytest.fixture(scope="module")
def chart(demo_lake: str, result: Result) -> Chart:
    panes = [["macd", "macd_hist"], "rsi_14"]
    return candles("aapl", FROM, TO, overlays=["bbands", "ema_10"], panes=panes, trades=result, lake=demo_lake)


def records(chart: Chart, *fields: str) -> list[list[Any]]:
    """Return the records of a chart that have some fields, each data set of them once."""
    return [
        [row[field] for field in fields]
        for rows in chart.spec["datasets"].values()
        for row in rows
        if {*fields} <= {*row}
    ]


def test_the_bars_of_a_chart_are_those_of_the_lake(chart: Chart, demo_lake: str) -> None:
    bars = analytics.bars("AAPL", FROM, TO, lake=demo_lake)
    drawn = records(chart, "day", "open", "high", "low", "close", "volume")
    assert [row[0] for row in drawn] == [str(day) for day in bars["date"]]
    for number, name in enumerate(("open", "high", "low", "close", "volume"), 1):
        assert [row[number] for row in drawn] == pytest.approx(bars[name].to_list(), rel=1e-6)
    assert [row[0] >= row[1] for row in records(chart, "close", "open")] == [row[0] for row in records(chart, "rises")]


def test_overlays_and_panes_are_the_indicators(chart: Chart, demo_lake: str) -> None:
    names = ["bollinger_upper", "ema_10", "macd_hist", "rsi_14"]
    src = "bars_split_adjusted"
    frame = analytics.indicators(names, demo_lake, src=src, symbols="AAPL", start=FROM, end=TO)
    values = records(chart, "name", "value")
    for name in names:
        assert [value for other, value in values if other == name] == pytest.approx(frame[name].to_list(), rel=1e-6), (
            name
        )
    drawn = {name for name, _ in values}
    assert {"bollinger_middle", "bollinger_lower"} < drawn
    assert not drawn & {"bollinger_percent", "bollinger_width"}, "they are no prices"
    titles = [pane.get("title", {}).get("text") for pane in chart.spec["vconcat"]]
    assert titles == [None, "volume", "macd, macd_hist", "rsi_14", None]


def test_splits_dividends_and_trades_are_marked_on_their_days(chart: Chart, result: Result, demo_lake: str) -> None:
    assert records(chart, "day", "text") == [["2005-02-28", "2:1 split"]]
    days = {str(trade.entry_date) for trade in result.closed_positions if trade.symbol == "AAPL"}
    days |= {str(trade.exit_date) for trade in result.closed_positions if trade.symbol == "AAPL"}
    assert {row[0] for row in records(chart, "day", "profit")} == {day for day in days if FROM <= day <= TO} != set()
    of_ibm = candles("IBM", FROM, TO, volume=False, lake=demo_lake)
    paid = analytics.connect(demo_lake).sql(
        f"SELECT CAST(date AS VARCHAR), dividend FROM actions WHERE symbol = 'IBM' AND date BETWEEN '{FROM}' AND '{TO}'"
    )
    assert records(of_ibm, "day", "dividend") == [[day, pytest.approx(amount)] for day, amount in paid.fetchall()]
    assert len(of_ibm.spec["vconcat"]) == 2, "prices and the strip"


def test_actions_of_longer_bars_are_marked_at_the_bar_that_contains_their_day(demo_lake: str) -> None:
    weekly = candles("AAPL", FROM, TO, "weekly", overlays="sma_4", log=True, lake=demo_lake)
    [[number, text]] = records(weekly, "i", "text")
    assert text == "2:1 split"
    ends = [row[0] for row in records(weekly, "day", "low")]
    assert ends[number - 1] < "2005-02-28" <= ends[number]
    assert ends == [str(day) for day in analytics.bars("AAPL", FROM, TO, "weekly", lake=demo_lake)["date"]]


def test_a_frame_of_the_user_is_drawn_with_its_columns() -> None:
    days = pl.date_range(date(2024, 1, 1), date(2024, 1, 10), eager=True)
    frame = pl.DataFrame(
        {"symbol": HOSTILE, "date": days, "open": 1.0, "high": 3.0, "low": 0.5, "close": [1.0, 2.0] * 5, "a.b[c]": 1.5}
    ).with_columns(dividend=pl.when(pl.col("date").dt.day() == 4).then(0.25).otherwise(0.0))
    chart = candles(frame, "2024-01-02", overlays="a.b[c]", panes="close")
    assert records(chart, "day", "dividend") == [["2024-01-04", 0.25]]
    assert [value for name, value in records(chart, "name", "value") if name == "a.b[c]"] == [1.5] * 9
    assert candles(frame.to_pandas()).png()[:4] == b"\x89PNG"
    with pytest.raises(ArgumentError, match="data: it has no column vwap"):
        candles(frame, panes=["vwap"])
    with pytest.raises(UsageError, match="no bars in the range: data has bars from 2024-01-01 to 2024-01-10"):
        candles(frame, "2025-01-01")
    two = frame.with_columns(symbol=pl.lit("B")).vstack(frame.with_columns(symbol=pl.lit("A")))
    with pytest.raises(ArgumentError, match="data: it has bars of A, B: a chart is of one symbol"):
        candles(two)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": "APPL"}, "no bars of APPL in bars; did you mean AAPL?"),
        ({"data": "AAPL,IBM"}, "symbol: 'AAPL,IBM': a chart is of one symbol"),
        ({"data": "FB", "end": "2010-01-01"}, "no bars of FB in the range: it has bars from 2012-05-18 to 2013-03-01"),
        ({"data": "FB", "overlays": "rsi_14"}, "overlays: rsi_14 is no price: write it in panes"),
        ({"data": "FB", "panes": ["rsj_14"]}, "there is no indicator rsj"),
        ({"data": 5}, "data: a int is no frame"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], message: str, demo_lake: str) -> None:
    with pytest.raises(UsageError) as error:
        candles(**arguments, lake=demo_lake)
    assert str(error.value).startswith(message)


def test_a_chart_is_saved_as_png_svg_and_html(chart: Chart, tmp_path: Path) -> None:
    picture = chart.save(tmp_path / "chart.png").read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    assert width > 1800
    assert height > 1200
    assert "bollinger_upper" in chart.save(str(tmp_path / "chart.svg")).read_text()
    with pytest.raises(ArgumentError, match=r"chart.jpg.*ends with .html, .png, .svg"):
        chart.save(tmp_path / "chart.jpg")
    with pytest.raises(LakeError, match=r"cannot write .*nowhere"):
        chart.save(tmp_path / "nowhere" / "chart.svg")


def test_a_chart_that_does_not_fit_on_the_disk_leaves_the_one_before(chart: Chart, tmp_path: Path) -> None:
    (tmp_path / "real.svg").write_text("the one before")
    (tmp_path / "chart.svg").symlink_to("real.svg")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(LakeError, match=r"cannot write .*chart.svg: File too large"):
            chart.save(tmp_path / "chart.svg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("real.svg", "chart.svg"), "the one before"
    )
    chart.save(tmp_path / "chart.svg")
    assert (tmp_path / "chart.svg").is_symlink()
    assert "<svg" in (tmp_path / "real.svg").read_text()


@pytest.fixture(scope="module")
def page(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a browser's page without a network, in which the chart is open; `faults` is what it must not do."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = tmp_path_factory.mktemp("page") / "chart.html"
    hostile = Chart(chart.spec | {"title": {"text": HOSTILE}}, f"{HOSTILE} ä", chart.height)
    assert hostile.save(path).stat().st_size < 3_000_000
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(offline=True, viewport={"width": 1200, "height": 1200})
        page = context.new_page()
        page.faults = []
        page.on("request", lambda request: request.url.startswith("file:") or page.faults.append(request.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and page.faults.append(message.text))
        page.goto(path.as_uri())
        yield page
        browser.close()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_draws_the_page_without_a_network_and_zooms(page: Any) -> None:
    page.wait_for_function(f"({GREEN})() > 200")
    assert page.title() == f"{HOSTILE} ä"
    before = page.evaluate(GREEN)
    box = page.locator("#chart canvas").bounding_box()
    y = box["y"] + box["height"] - 50  # in the strip of all days
    page.mouse.move(box["x"] + 0.4 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=8)
    page.mouse.up()
    page.wait_for_function(f"({GREEN})() > {1.3 * before}")  # the candles are wider
    assert page.faults == []


def test_a_notebook_shows_the_chart_in_a_frame_of_its_own(chart: Chart) -> None:
    text = chart._repr_html_()
    assert text.startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')
    assert "<script" not in text


def test_a_result_is_shown_as_a_card_a_frame_a_report_and_charts(result: Result, tmp_path: Path) -> None:
    frame = result.trades
    assert frame["pnl"].to_list() == [trade.pnl for trade in result.closed_positions]
    assert frame.schema["entry_date"] == pl.Date
    assert frame["mfe"].null_count() == 0
    card = result._repr_html_()
    assert "MovingAverageCrossover(fast=20, slow=50, percent=95)" in card
    assert f"{result.metrics['final_equity']:,.2f}" in card
    assert "<h1>MovingAverageCrossover</h1>" in result.to_html(tmp_path / "report.html").read_text()
    with pytest.raises(ArgumentError, match=r"ends with \.html"):
        result.to_html(tmp_path / "report.pdf")

    account = result.plot()
    equity = [value for name, value in records(account, "name", "value") if name == "equity"]
    assert equity == pytest.approx(result.curve.equity.tolist(), rel=1e-5)
    symbol = result.plot("AAPL")
    assert {name for name, _ in records(symbol, "name", "value")} == {"", "sma_20", "sma_50"}
    assert records(symbol, "day", "text") == [["2005-02-28", "2:1 split"]]
    assert len(records(symbol, "profit")) >= 2 * frame.filter(pl.col("symbol") == "AAPL").height
    with pytest.raises(UsageError, match=r"no bars of APL.*did you mean AAPL"):
        result.plot("APL")


def test_a_result_of_a_failed_run_is_shown_too(tmp_path: Path) -> None:
    from tests.analytics.backtest._bars import Scripted, trade

    class Failing(Scripted):
        def on_bar_end(self, date: Any, portfolio: Any) -> Any:
            raise ValueError("<b>no</b>")

    failed = trade(Failing({}), "1 1 1 1 1 1\n2 1 1 1 1 1")
    assert "The run ended early" in failed._repr_html_()
    assert "<b>no" not in failed._repr_html_()
    assert failed.trades.height == 0
    with pytest.raises(UsageError, match="no session to draw"):
        failed.plot()
    with pytest.raises(UsageError, match="with_history=True"):
        failed.plot("AAA")


def test_without_the_extra_one_line_names_it(demo_lake: str) -> None:
    code = (
        "import sys; sys.modules['altair'] = None\n"
        "from stockstream import analytics\n"
        f"try: analytics.plot.candles('FB', lake={json.dumps(demo_lake)})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert re.fullmatch(r'MissingPackage a chart needs altair: pip install "\.\[plot\]" in its checkout\n', done.stdout)
