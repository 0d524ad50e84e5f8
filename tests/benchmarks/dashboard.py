"""The dashboard in Chromium: what a first load transfers, when a page can be used, and what moves or blocks meanwhile.

Each page is loaded with an empty cache, by a server on a lake of ten years. "Usable" is the end of the last long task
after the chart is drawn (without a chart: after the load event), from the start of the navigation; blocking time is
what the long tasks exceed 50 ms by, and layout shift the sum of the browser's entries of this type.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from stockstream import analytics
from tests.benchmarks._harness import Figure, main
from tests.benchmarks._servers import running
from tests.benchmarks.serve import OURS, _lake

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OBSERVERS = """
window.seen = { shift: 0, blocking: 0, usable: 0 };
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) seen.shift += one.value;
}).observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    seen.blocking += Math.max(0, one.duration - 50);
    seen.usable = Math.max(seen.usable, one.startTime + one.duration);
  }
}).observe({ type: "longtask", buffered: true });
addEventListener("load", () => { seen.usable = Math.max(seen.usable, performance.now()); });
new MutationObserver((_, observer) => {
  if (!document.querySelector("[data-ready]")) return;
  observer.disconnect();
  requestAnimationFrame(() => { seen.usable = Math.max(seen.usable, performance.now()); });
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-ready"] });
"""
MAX_KB = 150.0
MAX_MS = 1000.0


@dataclass(frozen=True)
class Load:
    """One load of a page."""

    page_kb: float
    """HTML, styles, scripts, as transferred."""
    data_kb: float
    """Rows that scripts ask for, as transferred."""
    requests: int
    usable_ms: float
    blocking_ms: float
    shift: float


def measure(quick: bool) -> Iterator[Figure]:
    symbols, years, loads = (20, 2, 1) if quick else (500, 10, 7)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as name:
        folder = Path(name)
        lake = _lake(folder, symbols, 252 * years)
        names = _backtests(lake, folder / "backtests")
        command = [sys.executable, "-c", OURS, "serve", "--lake", lake, "--port", "PORT", "--rate", "1000000"]
        options = ["--burst", "1000000", "--backtests", str(folder / "backtests")]
        with running([*command, *options], "/health", {"LOG_LEVEL": "WARNING"}) as (_, address):
            yield from _pages(address, names, loads)


def _backtests(lake: str, folder: Path) -> list[str]:
    """Write two backtests of one symbol into a folder; return the first symbols of the lake."""
    with analytics.connect(lake) as con:
        names = [symbol for (symbol,) in con.sql("SELECT DISTINCT symbol FROM bars ORDER BY 1 LIMIT 4").fetchall()]
    for strategy in ("BuyAndHold", "MovingAverageCrossover"):
        options = ["--strategy", strategy, "--symbols", names[0], "--lake", lake, "-o", str(folder / strategy)]
        subprocess.run([sys.executable, "-c", OURS, "backtest", *options], check=True, capture_output=True)
    return names


def _pages(address: str, names: list[str], loads: int) -> Iterator[Figure]:
    """Yield the figures of each page: sizes of the first load, and medians of the times of several."""
    pages = {
        "market": "/",
        "symbol, ten years, three panes": f"/symbol/{names[0]}?names=sma_50,rsi_14,macd",
        "screener": "/screener?where=rsi_14<60",
        "compare": f"/compare?symbols={','.join(names)}",
        "signals": "/signals",
        "data": "/data",
        "backtests, two compared": "/backtests?id=BuyAndHold&id=MovingAverageCrossover",
        "backtest with its report": "/backtests/BuyAndHold",
        "form of a run": "/runs?strategy=MovingAverageCrossover",
    }
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, path in pages.items():
            seen = [_load(browser, address + path) for _ in range(loads)]
            yield Figure(f"{name}: first load of page and scripts, compressed", seen[0].page_kb, "kB", MAX_KB)
            yield Figure(f"{name}: rows of charts, compressed", seen[0].data_kb, "kB")
            yield Figure(f"{name}: requests", seen[0].requests, "requests")
            limit = MAX_MS if name.startswith("symbol") else None
            yield Figure(f"{name}: usable after", statistics.median(one.usable_ms for one in seen), "ms", limit)
            yield Figure(f"{name}: blocking time", statistics.median(one.blocking_ms for one in seen), "ms")
            yield Figure(f"{name}: layout shift", max(one.shift for one in seen), "score", 0.1)
        browser.close()


def _load(browser: Any, address: str) -> Load:
    """Load a page with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(OBSERVERS)
    wire = context.new_cdp_session(page)
    urls: dict[str, str] = {}
    sizes: dict[str, float] = {}
    wire.on("Network.requestWillBeSent", lambda event: urls.update({event["requestId"]: event["request"]["url"]}))
    wire.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    wire.send("Network.enable")
    page.goto(address, wait_until="load")
    if page.locator("[role=img]").count():
        page.wait_for_selector("[data-ready]")
    page.evaluate("() => new Promise((done) => requestIdleCallback(() => setTimeout(done, 100)))")
    seen = page.evaluate("seen")
    context.close()
    rows = {one for one, url in urls.items() if "/v1/" in url}
    return Load(
        page_kb=sum(size for one, size in sizes.items() if one not in rows) / 1000,
        data_kb=sum(size for one, size in sizes.items() if one in rows) / 1000,
        requests=len(urls),
        usable_ms=seen["usable"],
        blocking_ms=seen["blocking"],
        shift=seen["shift"],
    )


if __name__ == "__main__":
    main("Dashboard", measure)
