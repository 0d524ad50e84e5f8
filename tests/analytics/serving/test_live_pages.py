"""Live bars on the pages in a browser: over one connection per page, and without it the page says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.analytics.serving.recording import EVENTS
from tests.analytics.serving.server import Server
from tests.analytics.serving.test_dashboard import CHROMIUM, Tab
from tests.pipeline.live.feed import DAY, expected

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
CLOSE = expected(EVENTS)["IBM"][3]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.large)])
@pytest.mark.parametrize("width", [pytest.param(400, marks=pytest.mark.large), 1280])
def test_pages_have_live_bars_over_one_connection(
    browser: Any, live: Server, tmp_path: Path, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    tab = Tab(browser, live, viewport={"width": width, "height": 900}, color_scheme=scheme)
    streams: list[str] = []
    tab.page.on("request", lambda request: "/v1/stream" in request.url and streams.append(request.url))
    for name, path in (("market", "/"), ("symbol", "/symbol/IBM"), ("alerts", "/alerts")):
        page = tab.open(path)
        page.locator("#live", has_text="2026-11-25").wait_for()  # a function in the page would need unsafe-eval
        if name != "alerts":
            cell = page.locator("[data-live=IBM][data-column=close].live").first
            assert cell.inner_text() == f"{CLOSE:,.2f}"
            # The lake has no bar of the session before.
            page.locator("[data-live=IBM][data-column=change_percent]", has_text="–").first.wait_for()
        if name == "symbol":
            page.locator("#candles[data-live]").wait_for()
            assert page.locator("#candles").get_attribute("data-live") == f"{DAY} {CLOSE}"
        page.screenshot(path=tmp_path / f"live-{name}-{width}-{scheme}.png", full_page=True)
        result = axe.Axe().run(page).response["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in result] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    assert len(streams) == 3
    assert tab.faults == []
    tab.context.close()


def test_a_lost_connection_is_on_the_page(browser: Any, live: Server) -> None:
    tab = Tab(browser, live)
    tab.page.route("**/v1/stream*", lambda route: route.abort())
    page = tab.open("/")
    page.locator("#live", has_text="onnection").wait_for()
    assert "lost" in page.locator("#live").inner_text() or "No connection" in page.locator("#live").inner_text()
    assert page.locator("tbody tr").count() > 0
    tab.context.close()


def test_without_live_bars_the_pages_ask_for_none(browser: Any, server: Server) -> None:
    tab = Tab(browser, server)
    page = tab.open("/")
    assert page.locator("#live").count() == 0
    page = tab.open("/alerts")
    assert "stockstream stream" in page.inner_text("main")
    assert tab.faults == []
    tab.context.close()
