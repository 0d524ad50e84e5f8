"""The page is self-contained, shows the result's figures, and draws its charts."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup

from stockstream.analytics.backtest.model import Result
from stockstream.analytics.backtest.report import ASSETS, MAX_TRADES, render
from stockstream.analytics.backtest.stats import monthly_returns, summary, yearly_returns
from tests.analytics.backtest._made_up import NO_COSTS, curve, goog_sma, many

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
UPLOT = {  # of the npm package uplot 1.6.32
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


def bare(*equity: float) -> Result:
    """Return a result that has only a curve."""
    account_curve = curve(equity)
    return Result({}, {}, account_curve, [], [], [], NO_COSTS, [], summary(account_curve, [], [], NO_COSTS))


def page(result: Result) -> BeautifulSoup:
    return BeautifulSoup(render(result), "html.parser")


def data(soup: BeautifulSoup) -> dict:
    return json.loads(soup.find(id="data").string)


def value(text: str) -> float | None:
    """Return the number of a formatted text."""
    number = text.replace(",", "").replace("−", "-")
    return None if number == "–" else float(number.rstrip("%")) / (100 if number.endswith("%") else 1)


def rows(soup: BeautifulSoup, section: str) -> list[list[str]]:
    return [[cell.get_text() for cell in row.find_all("td")] for row in soup.find(id=section).select("tr:has(td)")]


@pytest.fixture(scope="module")
def goog_page() -> BeautifulSoup:
    return page(goog_sma())


@pytest.fixture(scope="module")
def many_page() -> BeautifulSoup:
    return page(many())


# It is self-contained


def test_it_loads_nothing(many_page: BeautifulSoup) -> None:
    links = [tag.get(name) for tag in many_page.find_all(True) for name in ("src", "href", "action", "data", "srcset")]
    assert [link for link in links if link and not link.startswith("#")] == ["data:,"]
    assert all(many_page.find(id=link[1:]) for link in links if link and link.startswith("#"))
    assert not re.search(r"url\(|@import", "".join(style.string for style in many_page.find_all("style")))
    policy = many_page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_the_same_result_gives_the_same_bytes() -> None:
    """Also in another process, in which sets have another order."""
    code = (
        "import hashlib\n"
        "from stockstream.analytics.backtest.report.page import render\n"
        "from tests.analytics.backtest._made_up import many\n"
        "print(hashlib.sha256(render(many()).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert ran.stdout.strip() == hashlib.sha256(render(many()).encode()).hexdigest()


@pytest.mark.parametrize(("symbols", "sessions"), [(200, 2500), (8, 7500)])
def test_a_large_result_gives_a_small_page(symbols: int, sessions: int) -> None:
    assert len(render(many(symbols, sessions)).encode()) < 1_500_000


def test_a_plain_result_gives_a_page_below_320_kb() -> None:
    assert len(render(goog_sma()).encode()) < 320_000


@pytest.mark.parametrize("name", UPLOT)
def test_the_charts_library_is_as_it_was_released(name: str) -> None:
    assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == UPLOT[name]


# It shows the result


def test_every_figure_is_there(many_page: BeautifulSoup) -> None:
    metrics = many().metrics
    texts_by_key: dict[str, set[str]] = {}
    for tag in many_page.select("[data-metric]"):
        texts_by_key.setdefault(tag["data-metric"], set()).add(tag.find(string=True))
    assert set(texts_by_key) == set(metrics)
    for key, texts in texts_by_key.items():
        (text,) = texts  # in the headline and in the tables alike
        digits = len(text.partition(".")[2].rstrip("%")) + 2 * text.endswith("%")
        assert value(text) == pytest.approx(metrics[key], abs=0.5000001 * 10**-digits), key


def test_what_is_undefined_is_a_dash() -> None:
    soup = page(bare(100.0))
    texts = {tag["data-metric"]: tag.find(string=True) for tag in soup.select("[data-metric]")}
    assert texts["sharpe"] == texts["win_rate"] == texts["cagr"] == "–"
    assert texts["total_return"] == "0.00%"
    assert "nan" not in soup.find("body").get_text().lower().split()


def test_costs(many_page: BeautifulSoup) -> None:
    costs = many().costs
    paid = [costs.commission, costs.slippage, costs.borrow, costs.interest]
    assert [value(cells[0]) for cells in rows(many_page, "costs")] == [*paid, sum(paid)]


def test_a_run_that_failed_at_once_has_a_page_too() -> None:
    empty = curve([])
    failed = Result({"strategy": "Mine"}, {}, empty, [], [], [], NO_COSTS, [], {}, error="KeyError: 'rsi'")
    soup = page(failed)
    assert "KeyError: 'rsi'" in soup.select_one(".error").get_text()
    assert "Mine" in soup.find(id="settings").get_text()
    assert soup.find(id="account") is soup.find("script") is None


def test_months_and_years(goog_page: BeautifulSoup) -> None:
    account_curve = goog_sma().curve
    months, years = monthly_returns(account_curve), yearly_returns(account_curve)
    month_rows = rows(goog_page, "months")
    assert len(month_rows) == len(months)
    for cells, (year, returns) in zip(month_rows, months.items(), strict=True):
        expected = [*returns, years[year]]
        assert [text == "" for text in cells] == [share is None for share in expected]
        for text, share in zip(cells, expected, strict=True):
            assert text == "" or value(text) == pytest.approx(100 * share, abs=0.0500001)


def test_trades_drawdowns_positions_and_notes(goog_page: BeautifulSoup, many_page: BeautifulSoup) -> None:
    for soup, result in ((goog_page, goog_sma()), (many_page, many())):
        trades = rows(soup, "trades")
        assert [cells[0] for cells in trades] == [trade.symbol for trade in result.closed_positions]
        profits = [trade.pnl for trade in result.closed_positions]
        assert [value(cells[6]) for cells in trades] == pytest.approx(profits, abs=0.0050001)
        assert [cells[0] for cells in rows(soup, "open")] == [position.symbol for position in result.open_positions]
        days, depth = rows(soup, "drawdowns")[0][3:]
        assert value(days) == result.metrics["max_drawdown_days"]
        assert value(depth) == pytest.approx(result.metrics["max_drawdown"], abs=0.000050001)
    assert [cells[2] for cells in rows(many_page, "notes")] == [note.text for note in many().notes]
    settings = many_page.find(id="settings").get_text("|", strip=True)
    assert "params.nested.threshold|0.5|params.stop|–" in settings
    assert "sql.rsi|1.2.0|generation|41" in many_page.find(id="provenance").get_text("|", strip=True)


def test_the_curves(many_page: BeautifulSoup) -> None:
    result = many()
    account, account_curve = data(many_page)["account"], result.curve
    assert account["equity"] == pytest.approx(account_curve.equity.tolist(), rel=1e-5)
    assert min(account["drawdown"]) == pytest.approx(result.metrics["max_drawdown"], rel=1e-5)
    assert account["benchmark"][:20] == [None] * 20
    assert account["benchmark"][20] == account["equity"][20]
    assert account["benchmark"][-1] / account["benchmark"][20] - 1 == pytest.approx(
        result.metrics["benchmark_return"], rel=1e-4
    )
    gross = [long - short for long, short in zip(account["long"], account["short"], strict=True)]
    assert sum(gross) / len(gross) == pytest.approx(result.metrics["mean_exposure"], rel=1e-4)


def test_trades_are_on_the_closes_of_their_symbol(many_page: BeautifulSoup) -> None:
    result = many()
    drawn = data(many_page)["traded"]
    assert [option.get_text() for option in many_page.select("#symbol option")] == [c["symbol"] for c in drawn]
    for chart in drawn:
        closed = [trade for trade in result.closed_positions if trade.symbol == chart["symbol"]]
        still = [position for position in result.open_positions if position.symbol == chart["symbol"]]
        assert len(chart["trades"]) == len(closed) + len(still)
        for (entry, exit_, is_long, is_win), trade in zip(chart["trades"], closed, strict=False):
            assert [result.curve.dates[at] for at, _ in (entry, exit_)] == [trade.entry_date, trade.exit_date]
            assert [chart["close"][at] for at, _ in (entry, exit_)] == [entry[1], exit_[1]]
            assert entry[1] == pytest.approx(trade.entry_price, rel=1e-5)
            assert (is_long, is_win) == (trade.quantity > 0, trade.pnl > 0)
        assert [exit_ for _, exit_, _, _ in chart["trades"][len(closed) :]] == [None] * len(still)
        assert (
            len([close for close in chart["close"] if close])
            == np.isfinite(result.history.bars[chart["symbol"]].close).sum()
        )


def test_of_many_symbols_and_trades_those_that_won_or_lost_most() -> None:
    result = many(200, 2500)
    soup = page(result)
    names = {trade.symbol for trade in result.closed_positions}
    pnl = {name: abs(sum(t.pnl for t in result.closed_positions if t.symbol == name)) for name in names}
    largest = sorted(pnl, key=pnl.__getitem__, reverse=True)
    names = [chart["symbol"] for chart in data(soup)["traded"]]
    assert 10 < len(names) < 200
    assert names == largest[: len(names)]
    assert f"{len(names)} of 200 symbols" in soup.find(id="prices").get_text()

    trades = rows(soup, "trades")
    assert len(trades) == MAX_TRADES < len(result.closed_positions)
    least = min(abs(value(cells[6])) for cells in trades)
    assert sum(abs(trade.pnl) > least + 0.01 for trade in result.closed_positions) <= MAX_TRADES
    assert f"500 of {len(result.closed_positions):,}" in soup.find(id="trades").get_text()


def test_symbols_without_prices_are_not_drawn() -> None:
    soup = page(replace(goog_sma(), history=None))
    assert data(soup)["traded"] == []
    assert soup.find(id="symbol") is soup.find(id="price") is None


# Names and texts are escaped


def test_names_and_texts_are_escaped(many_page: BeautifulSoup) -> None:
    result = many()
    assert many_page.find("b") is None
    assert len(many_page.find_all("script")) == 3
    assert many_page.find("h1").get_text() == result.setup["strategy"]
    assert result.error in many_page.select_one(".error").get_text()
    assert "<B&W>" in [option.get_text() for option in many_page.select("option")]
    assert data(many_page)["benchmark"] == "X&P"
    evil = replace(result, setup={"benchmark": "</script><script>alert(1)</script>", "<i>": "<u>"})
    soup = page(evil)
    assert len(soup.find_all("script")) == 3
    assert soup.find("i") is soup.find("u") is None


# The charts

PROBE = """<script>
addEventListener("load", () => {
  for (const id of ["log", "price-log"]) document.getElementById(id)?.click();
  const symbol = document.getElementById("symbol");
  if (symbol) { symbol.selectedIndex = symbol.length - 1; symbol.dispatchEvent(new Event("change")); }
  dispatchEvent(new Event("beforeprint"));
  dispatchEvent(new Event("afterprint"));
  setTimeout(() => {
    document.title = "painted " + [...document.querySelectorAll("canvas")].map((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return new Uint32Array(data.buffer).filter(Boolean).length;
    });
  }, 500);
});
</script>"""


def browse(text: str, folder: Path) -> BeautifulSoup:
    """Return the document of a page after its scripts have run in a browser, which must complain of nothing."""
    (folder / "page.html").write_text(text, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=2000"]
    options += [f"--user-data-dir={folder / 'profile'}", "--window-size=1280,2000", "--dump-dom"]
    command = [str(CHROMIUM), *options, (folder / "page.html").as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert [line for line in ran.stderr.splitlines() if "CONSOLE" in line] == []
    return BeautifulSoup(ran.stdout, "html.parser")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.parametrize("kind", ["goog", "many", "bare", "lost"])
def test_a_browser_draws_every_chart_and_complains_of_nothing(kind: str, tmp_path: Path) -> None:
    pages = {
        "goog": lambda: render(goog_sma()),
        "many": lambda: render(many()),
        "bare": lambda: render(bare(100.0)),
        "lost": lambda: render(bare(100.0, 50.0, -20.0, 10.0)),
    }
    soup = browse(pages[kind]() + PROBE, tmp_path)
    painted = [int(pixels) for pixels in soup.title.string.removeprefix("painted ").split(",")]
    assert len(painted) == {"bare": 3, "lost": 4}.get(kind, 12)
    assert min(painted) > 1000  # axes, lines and numbers
    if kind == "goog":
        assert "257,274" in soup.find(id="equity").get_text()
