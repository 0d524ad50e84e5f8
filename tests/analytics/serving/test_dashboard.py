"""The pages in a browser: their numbers are those of the lake, they work on a phone and by keyboard, and stay at home.

Screenshots are in the folder of the test (`--basetemp`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest

from stockstream import analytics
from tests.analytics.serving.server import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]
PAGES = {
    "market": "/",
    "symbol": "/symbol/IBM",
    "screener": "/screener?where=rsi_14%3C60%2Cclose%3Esma_200&order=-close",
    "compare": "/compare?symbols=IBM,aapl,FB&start=2012-01-03",
    "signals": "/signals?date=2013-03-01",
    "data": "/data",
    "docs": "/v1/docs",
    "problem": "/symbol/IBMM",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


class Tab:
    """A tab that notes what a page must not do."""

    def __init__(self, browser: Any, server: Server, **options: Any) -> None:
        self.context = browser.new_context(base_url=server.address, accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.faults: list[str] = []
        host = urlparse(server.address).netloc

        def noted(request: Any) -> None:
            if urlparse(request.url).netloc != host and not request.url.startswith(("data:", "blob:")):
                self.faults.append(f"asks for {request.url}")

        self.page.on("request", noted)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.faults.append(message.text))

    def open(self, path: str) -> Any:
        """Open a page and wait for its chart."""
        self.page.goto(path)
        if path.startswith("/symbol/IBM?") or path == "/symbol/IBM":
            self.page.wait_for_selector("#candles[data-ready]")
        if path.startswith("/compare?"):
            self.page.wait_for_selector("#lines[data-ready]")
        return self.page


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.large)])
@pytest.mark.parametrize("width", [pytest.param(400, marks=pytest.mark.large), 1280])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_accessible_and_stays_at_home(
    browser: Any, server: Server, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    tab = Tab(browser, server, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = tab.open(PAGES[name])
    page.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True)
    result = axe.Axe().run(page).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in result] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    faults = [fault for fault in tab.faults if name != "problem" or "404" not in fault]
    assert faults == []
    tab.context.close()


def test_numbers_are_those_of_the_lake(browser: Any, server: Server, lake: str) -> None:
    with analytics.connect(lake) as con:
        [(rising,)] = con.sql("SELECT count(*) FROM screen WHERE change_percent > 0").fetchall()
        [(close, rsi)] = con.sql("SELECT close, rsi_14 FROM screen WHERE symbol = 'IBM'").fetchall()
        [(few,)] = con.sql("SELECT count(*) FROM screen WHERE rsi_14 < 60 AND close > sma_200").fetchall()
        [(on_day,)] = con.sql("SELECT count(*) FROM signals WHERE date = '2013-03-01'").fetchall()
        [(bars,)] = con.sql("SELECT count(*) FROM bars").fetchall()
        closes = con.sql("SELECT symbol, close FROM bars_adjusted WHERE date >= '2012-01-03' ORDER BY date").pl()
    tab = Tab(browser, server)
    assert tab.open("/").locator(".tile:has-text('Rising') dd").inner_text() == str(rising)
    page = tab.open("/symbol/IBM")
    assert page.locator(".tile:has-text('Close') dd").inner_text().startswith(f"{close:.2f}")
    assert f"rsi_14 {rsi:.4f}".rstrip("0") in page.locator("#legend").inner_text()
    assert tab.open(PAGES["screener"]).locator("h2").first.inner_text() == f"{few} symbols"
    assert f"{on_day} on 2013-03-01" in tab.open(PAGES["signals"]).inner_text("main")
    ibm, aapl = (closes.filter(symbol=name)["close"].to_numpy() for name in ("IBM", "AAPL"))
    page = tab.open(PAGES["compare"])
    assert f"{100 * (ibm[-1] / ibm[0] - 1):+.2f}%" in page.locator("tr:has(a:text-is('IBM'))").inner_text()
    correlation = np.corrcoef(np.diff(np.log(ibm)), np.diff(np.log(aapl)))[0, 1]
    cells = page.locator("table.cells tr:has(th:text-is('AAPL')) td").all_inner_texts()
    assert cells[-1] == f"{correlation:.2f}"
    assert tab.open("/data").locator(".tile:has-text('Bars') dd").first.inner_text() == f"{bars:,}"
    assert tab.faults == []
    tab.context.close()


def test_the_keyboard_alone(browser: Any, server: Server) -> None:
    tab = Tab(browser, server)
    page = tab.open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "name":
            break
    page.keyboard.type("ibm")
    page.keyboard.press("Enter")
    page.wait_for_selector("#candles[data-ready]")
    assert page.locator("h1").inner_text().startswith("IBM")
    assert tab.faults == []
    tab.context.close()


def test_a_screen_is_made_shown_as_sql_and_saved(browser: Any, server: Server, lake: str, tmp_path: Path) -> None:
    tab = Tab(browser, server)
    page = tab.open("/screener")
    page.select_option("select[name=column]", "close")
    page.select_option("select[name=operator]", ">")
    page.fill("input[name=value]", "100")
    page.click("button:text-is('Add')")
    page.wait_for_url("**/screener?where=close*")
    sql = "FROM screen WHERE close > 100 ORDER BY value DESC NULLS LAST, symbol"
    assert page.locator("pre code").inner_text() == sql
    with page.expect_download() as waiting:
        page.click("a:text-is('CSV')")
    waiting.value.save_as(tmp_path / "screen.csv")
    with analytics.connect(lake) as con:
        [(count,)] = con.sql("SELECT count(*) FROM screen WHERE close > 100").fetchall()
        assert con.sql(f"SELECT count(*) FROM '{tmp_path}/screen.csv'").fetchall() == [(count,)]
    page.click("[aria-label='Remove close > 100']")
    page.wait_for_url("**/screener?where=&*")
    assert "No condition yet" in page.inner_text("main")
    assert tab.faults == []
    tab.context.close()


def test_everything_but_the_chart_works_without_javascript(browser: Any, server: Server) -> None:
    tab = Tab(browser, server, java_script_enabled=False)
    for path in PAGES.values():
        tab.page.goto(path)
        assert tab.page.locator("h1").count() == 1
    tab.page.goto("/symbol/IBM")
    assert tab.page.locator("table").first.locator("tbody tr").count() == 20
    assert tab.page.locator("noscript").inner_text() or "needs JavaScript" in tab.page.content()
    tab.context.close()


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/symbol/IBMM", 404, "did you mean IBM?"),
        ("/symbol/IBM?timeframe=2d", 422, "timeframe"),
        ("/screener?where=rsi<30", 422, "did you mean rsi_14"),
        ("/screener?where=rsi_14<30%20OR%201=1", 422, "is no condition"),
        ("/screener?where=name>1", 422, "there is no column name"),
        ("/screener?order=x", 422, "order"),
        ("/signals?date=yesterday", 422, "date: write YYYY-MM-DD"),
        ("/symbol/%3Cscript%3Ealert(1)%3C%2Fscript%3E", 404, "&lt;SCRIPT&gt;"),
    ],
)
def test_what_is_wrong_is_a_page(server: Server, path: str, status: int, text: str) -> None:
    answer = server.get(path, "text/html")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert text in answer.text
    assert "<script>alert" not in answer.text.lower()


def test_assets_are_kept_for_ever_and_the_first_load_is_small(browser: Any, server: Server) -> None:
    tab = Tab(browser, server)
    answers: list[Any] = []
    tab.page.on("response", lambda answer: answers.append(answer))  # playwright marks the function
    tab.open("/symbol/IBM")
    assets = [answer for answer in answers if "/assets/" in answer.url]
    assert len(assets) >= 5
    assert all("immutable" in answer.headers["cache-control"] for answer in assets)
    assert server.get("/assets/000000000000/pages.css").status_code == 404
    assert server.get("/assets/../../secret").status_code == 404
    tab.context.close()
