"""The paper accounts over HTTP and on their pages: as `stockstream paper status` has them, also without JavaScript."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.analytics.serving.server import Server, start
from tests.analytics.serving.test_dashboard import CHROMIUM, Tab, browser  # noqa: F401 (a fixture)
from tests.analytics.test_cli import run_cli


@pytest.fixture(scope="module")
def paper_lake(lake: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The demo's lake with an account that has a benchmark, one that waits for its first fill, and a damaged one."""
    folder = tmp_path_factory.mktemp("paper") / "lake"
    shutil.copytree(lake, folder)
    at = ("--lake", str(folder))
    trend = ("--strategy", "MovingAverageCrossover", "--symbols", "IBM,AAPL", "--start", "2013-01-02")
    assert run_cli("paper", "start", "trend", *trend, "--benchmark", "MSFT", *at).code == 0
    assert run_cli("paper", "start", "new", "--strategy", "BuyAndHold", "--symbols", "FB", *at).code == 0
    assert run_cli("paper", "start", "bad", "--strategy", "BuyAndHold", "--symbols", "FB", *at).code == 0
    (state,) = (folder / "paper/bad").glob("2*.json")
    state.write_bytes(state.read_bytes()[:-9])
    return str(folder)


@pytest.fixture(scope="module")
def paper_server(paper_lake: str) -> Iterator[Server]:
    started = start(paper_lake, "--rate", "100000", "--burst", "100000")
    yield started
    started.stop()


def test_the_documents_are_those_of_the_command(paper_server: Server, paper_lake: str) -> None:
    at = ("--lake", paper_lake, "--json")
    answer = paper_server.get("/v1/paper")
    listed = {one["name"]: one for one in answer.json()["accounts"]}
    assert set(listed) == {"bad", "new", "trend"}
    assert listed["bad"]["error"].startswith("2013-03-01.json is damaged")
    assert paper_lake not in answer.text, "nothing of the environment is in an answer"
    for name in ("new", "trend"):
        of_command = json.loads(run_cli("paper", "status", name, *at).out)
        assert paper_server.get(f"/v1/paper/{name}").json() == of_command
        assert listed[name] == of_command["summary"]
    assert paper_server.get("/v1/paper/bad").status_code == 503
    missing = paper_server.get("/v1/paper/trnd")
    assert (missing.status_code, "did you mean trend?" in missing.json()["detail"]) == (404, True)
    assert paper_lake not in missing.text + paper_server.get("/v1/paper/bad").text
    tag = answer.headers["ETag"]
    assert paper_server.get("/v1/paper", **{"If-None-Match": tag}).status_code == 304
    assert run_cli("paper", "stop", "new", "--lake", paper_lake).code == 0
    again = paper_server.get("/v1/paper", **{"If-None-Match": tag})
    assert (again.status_code, again.headers["ETag"] != tag) == (200, True)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.large)])
@pytest.mark.parametrize("width", [pytest.param(400, marks=pytest.mark.large), 1280])
@pytest.mark.parametrize("path", ["/paper", "/paper/trend", "/paper/new"])
def test_the_pages_are_accessible_and_stay_at_home(
    browser: Any,  # noqa: F811
    paper_server: Server,
    tmp_path: Path,
    path: str,
    width: int,
    scheme: str,
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    tab = Tab(browser, paper_server, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = tab.open(path)
    if path != "/paper":
        page.wait_for_selector("#equity[data-ready]")
    page.screenshot(path=tmp_path / f"paper-{width}-{scheme}.png", full_page=True)
    result = axe.Axe().run(page).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in result] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    assert tab.faults == []
    tab.context.close()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_without_javascript_the_pages_have_the_numbers_of_the_account(
    browser: Any,  # noqa: F811
    paper_server: Server,
    paper_lake: str,
) -> None:
    shown = json.loads(run_cli("paper", "status", "trend", "--lake", paper_lake, "--json").out)
    tab = Tab(browser, paper_server, java_script_enabled=False)
    page = tab.open("/paper")
    assert page.locator("tr:has-text('bad')").inner_text().count("is damaged") == 1
    page.click("text=trend")
    equity = f"{shown['summary']['equity']:,.2f}"
    assert page.locator(".tile:has-text('Equity') dd").inner_text().startswith(equity)
    assert page.locator(f"tr:has-text('{shown['summary']['session']}')").first.inner_text().split()[1] == equity
    held = page.locator("section:has(h2:text-is('Positions')) tbody tr")
    assert held.count() == len(shown["positions"])
    assert page.locator("section:has(h2:text-is('Last fills')) tbody tr").count() == len(shown["all_fills"])
    assert "No order leaves for a broker." in page.inner_text("main")
    assert page.locator("nav [aria-current]").all_inner_texts() == ["Paper accounts"]
    tab.context.close()
