"""The pages of backtests in a browser: the form by keyboard, the comparison, and a report that reaches nothing.

Screenshots are in the folder of the test (`--basetemp`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stockstream.analytics.backtest.report import figure_text
from tests.analytics.serving.server import Server, start
from tests.analytics.serving.strategies import write_strategies
from tests.analytics.serving.test_backtests import RANGE, SINCE, run, until
from tests.analytics.serving.test_dashboard import CHROMIUM, Tab, browser
from tests.analytics.test_cli import run_cli

__all__ = ["browser"]
pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]
COMPARED = "/backtests?id=crossover&id=holding"
PAGES = {
    "list": "/backtests",
    "compared": COMPARED,
    "one": "/backtests/crossover",
    "choice": "/runs",
    "form": "/runs?strategy=MovingAverageCrossover&symbols=IBM",
}
HOSTILE = """<!doctype html><html lang="en"><title>x</title><body><p id="seen"></p><button>go</button><script>
document.querySelector("button").onclick = () => { location = "/data?frame"; };
const seen = [];
const tried = (name, work) => { try { work(); seen.push(name); } catch { } };
tried("parent", () => parent.document.title);
tried("storage", () => localStorage.getItem("x"));
tried("cookie", () => document.cookie);
tried("popup", () => { if (!window.open("/data")) throw 0; });
tried("top", () => { top.location = "/data?top"; });
document.body.insertAdjacentHTML("beforeend",
  '<form id="f" method="post" action="/runs"><input name="strategy" value="BuyAndHold"></form><img src="/data?image">');
tried("form", () => document.getElementById("f").submit() || (() => { throw 0; })());
fetch("/v1/status?fetch").then(() => seen.push("fetch"), () => {}).finally(() => {
  document.getElementById("seen").textContent = `seen: ${seen}`;
});
</script></body></html>"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, lake: str) -> Iterator[tuple[Server, Path]]:
    """A server with two backtests, and their folder."""
    folder = tmp_path_factory.mktemp("shown") / "backtests"
    command = ("backtest", "--lake", lake, "--symbols", "IBM,AAPL", "--start", SINCE)
    for strategy, name in (("MovingAverageCrossover", "crossover"), ("BuyAndHold", "holding")):
        assert run_cli(*command, "--strategy", strategy, "-o", str(folder / name)).code == 0
    (folder / "foreign").mkdir()
    write_strategies(folder.parent / "strategies")
    folders = ("--backtests", str(folder), "--strategies", str(folder.parent / "strategies"))
    started = start(lake, *folders, "--rate", "100000", "--burst", "100000", PIDS=str(folder.parent / "pids"))
    yield started, folder
    started.stop()


def metrics(folder: Path, name: str) -> Any:
    return json.loads((folder / name / "result.json").read_text())["metrics"]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.large)])
@pytest.mark.parametrize("width", [pytest.param(400, marks=pytest.mark.large), 1280])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_accessible_and_stays_at_home(
    browser: Any, shown: tuple[Server, Path], tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    tab = Tab(browser, shown[0], viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = tab.open(PAGES[name])
    if name == "compared":
        page.wait_for_selector("#lines[data-ready]")
    if name == "one":
        page.frame_locator("iframe").locator("#equity canvas").first.wait_for()
    page.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True)
    result = axe.Axe().run(page).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in result] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    assert tab.faults == []
    tab.context.close()


def test_a_run_by_keyboard_shows_the_numbers_of_the_command_line(
    browser: Any, shown: tuple[Server, Path], lake: str, tmp_path: Path
) -> None:
    server, folder = shown
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    tab = Tab(browser, server)
    page = tab.open("/runs?strategy=MovingAverageCrossover")

    def fill(label: str, text: str) -> None:
        """Go to a field by Tab alone, and replace its text."""
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.labels?.[0]?.textContent.trim()") == label:
                break
        else:
            raise AssertionError(f"Tab does not reach {label}")
        page.keyboard.press("Control+A")
        page.keyboard.type(text)

    fill("fast", "5")
    fill("Symbols", "IBMM")
    fill("Initial capital", "50000")
    page.keyboard.press("Enter")
    page.wait_for_selector("#symbols-error")
    assert "did you mean IBM" in page.locator("#symbols-error").inner_text()
    described = page.locator("#symbols").get_attribute("aria-describedby")
    assert described is not None
    assert described.split()[0] == "symbols-error"
    assert (page.input_value("[id='param.fast']"), page.input_value("#initial_capital")) == ("5", "50000")
    assert axe.Axe().run(page).response["violations"] == []
    fill("Symbols", "IBM")
    fill("Start", "09032012")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/(runs/|backtests/Mov)"))
    page.wait_for_url("**/backtests/MovingAverageCrossover-*", timeout=600_000)
    name = page.url.rpartition("/")[2]
    options = ("--symbols", "IBM", "--start", SINCE, "--initial-capital", "50000", "--param", "fast=5")
    command = ("backtest", "--strategy", "MovingAverageCrossover", "--lake", lake, *options)
    assert run_cli(*command, "-o", str(tmp_path / "cli")).code == 0
    of_cli = json.loads((tmp_path / "cli/result.json").read_text())["metrics"]
    assert metrics(folder, name) == of_cli
    text = figure_text(of_cli["total_return"], "percent")
    assert page.locator(".tile:has-text('Total return') dd").inner_text() == text
    frame = page.frame_locator("iframe")
    assert frame.locator("[data-metric=total_return]").first.inner_text() == text
    assert [fault for fault in tab.faults if "422" not in fault] == []
    tab.context.close()


def test_the_comparison_has_the_figures_of_both(browser: Any, shown: tuple[Server, Path]) -> None:
    server, folder = shown
    tab = Tab(browser, server, java_script_enabled=False)
    page = tab.open("/backtests")
    for name in ("crossover", "holding"):
        page.check(f"[aria-label='Compare {name}']")
    page.click("button:text-is('Compare')")
    page.wait_for_url("**/backtests?id=*")
    cells = page.locator("table.figures tr:has(th:text-is('Sharpe ratio')) td").all_inner_texts()
    names = page.locator("table.figures thead th").all_inner_texts()
    assert {*names} == {"crossover", "holding"}
    assert cells == [figure_text(metrics(folder, name)["sharpe"], "ratio") for name in names]
    assert "foreign" in page.inner_text("main")
    tab.context.close()


def test_progress_without_javascript(browser: Any, shown: tuple[Server, Path]) -> None:
    server, _ = shown
    tab = Tab(browser, server, java_script_enabled=False)
    page = tab.open("/runs?strategy=BuyAndHold&symbols=IBM&start=2013-02-01")
    page.click("button:text-is('Run')")
    page.wait_for_url("**/backtests/BuyAndHold-*", timeout=600_000)  # by the refresh alone
    tab.context.close()


def test_a_report_reaches_nothing(browser: Any, shown: tuple[Server, Path]) -> None:
    server, folder = shown
    report = folder / "holding/report.html"
    kept = report.read_text()
    report.write_text(HOSTILE)
    try:
        tab = Tab(browser, server)
        before = len(server.log.read_text())
        page = tab.open("/backtests/holding")
        frame = page.frame_locator("iframe")
        frame.locator("#seen:has-text('seen')").wait_for()
        assert frame.locator("#seen").inner_text() == "seen: "
        frame.locator("button").click()  # the policy of the page around it does not let the frame show another one
        until(lambda: page.wait_for_timeout(20) or any("error" in one.url for one in page.frames))
        assert page.url.endswith("/backtests/holding")
        paths = [json.loads(line)["path"] for line in server.log.read_text()[before:].splitlines()]
        reached = {path for path in paths if not path.startswith("/assets/")}
        assert reached == {"/backtests/holding", "/backtests/holding/report"}
        alone = tab.open("/backtests/holding/report")
        alone.wait_for_selector("#seen:has-text('seen')")
        assert "fetch" not in alone.inner_text("#seen")
        assert "storage" not in alone.inner_text("#seen")
        tab.context.close()
    finally:
        report.write_text(kept)


def test_a_progress_page_is_accessible_and_a_run_is_cancelled(browser: Any, shown: tuple[Server, Path]) -> None:
    server, _ = shown
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    endless = run(server, "several.py:Endless")
    tab = Tab(browser, server)
    page = tab.open(endless)
    assert page.locator("#state").count() == 1
    assert axe.Axe().run(page).response["violations"] == []
    page.click("button:text-is('Cancel')")
    page.wait_for_selector("main:has-text('was cancelled')")
    page.click("a:text-is('Change the settings')")
    assert page.input_value("#start") == RANGE["start"]
    assert tab.faults == []
    tab.context.close()
