"""The pages of searches and walk-forward analyses: self-contained, with a heat map and charts that a browser draws."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup

from stockstream.analytics.backtest.report import render_search, render_walk
from tests.analytics.backtest._made_up import goog_sma
from tests.analytics.backtest.test_report import CHROMIUM, browse

PARAMETERS = {"param_fast": "fast", "param_slow": "slow", "param_<kind>": "<kind>"}


def search_rows() -> list[dict[str, Any]]:
    """Return 18 runs, the best first, of which the Sharpe ratio is known, and a combination without a result."""
    results = [
        {"param_fast": fast, "param_slow": slow, "param_<kind>": kind, **goog_sma().metrics}
        | {"sharpe": fast / 10 + slow / 100 + (kind == "b") / 5, "volatility": fast / 100, "error": ""}
        for fast in (5, 10, 20)
        for slow in (40, 60, 100)
        for kind in ("a", "b")
    ]
    results.sort(key=lambda row: -row["sharpe"])
    failed = {"param_fast": 60, "param_slow": 40, "param_<kind>": "a", **dict.fromkeys(goog_sma().metrics)}
    return [*results, failed | {"error": "fast must be <below> slow"}]


def search_page(rows: list[dict[str, Any]] | None = None) -> str:
    notes = ["deflated Sharpe ratio of the best: 0.500"]
    return render_search("Mine <1>", rows or search_rows(), PARAMETERS, "sharpe", notes, {"start": "2020-01-01"})


def walk_page() -> str:
    dates = [date(2020, 1, 1) + timedelta(days=number) for number in range(201)]
    rows = [
        {
            "train_from": dates[0], "train_to": dates[first], "test_from": dates[first + 1],
            "test_to": dates[first + 50], "param_fast": 5 + first, **goog_sma().metrics, "trained_sharpe": 2.0,
            "sharpe": share, "error": "" if share else "it is <August>",
        }
        for first, share in ((0, 1.0), (50, -1.0), (100, 0.5), (150, None))
    ]  # fmt: skip
    equity = np.exp(np.cumsum(np.r_[0.0, np.random.default_rng(1).normal(0, 0.01, 200)]))
    figures = {"total_return": float(equity[-1] - 1), "sharpe": 0.4, "max_drawdown": None}
    return render_walk("Mine", rows, {"param_fast": "fast"}, "sharpe", dates, equity, figures, {"walk_forward": "9:5"})


@pytest.mark.parametrize("make", [search_page, walk_page])
def test_it_loads_nothing_and_escapes_names(make: Any) -> None:
    text = make()
    soup = BeautifulSoup(text, "html.parser")
    links = [tag.get(name) for tag in soup.find_all(True) for name in ("src", "href", "action", "data", "srcset")]
    assert [link for link in links if link and not link.startswith("#")] == ["data:,"]
    assert all(soup.find(id=link[1:]) for link in links if link and link.startswith("#"))
    assert soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"].startswith(
        "default-src 'none'"
    )
    assert soup.find("kind") is soup.find("below") is None
    assert text == make()


def test_the_table_has_the_best_runs_and_the_reasons_of_those_without_a_result() -> None:
    soup = BeautifulSoup(search_page(), "html.parser")
    runs = [[cell.get_text() for cell in row.find_all("td")] for row in soup.find(id="runs").select("tr:has(td)")]
    assert len(runs) == 18
    assert runs[0][:4] == ["20", "100", "b", "3.20"]
    errors = [[cell.get_text() for cell in row.find_all("td")] for row in soup.find(id="errors").select("tr:has(td)")]
    assert errors == [["60", "40", "a", "fast must be <below> slow"]]
    assert "18 runs with a result, 1 combinations without one" in soup.header.get_text()
    assert "deflated Sharpe ratio" in soup.select_one(".caution").get_text()


def test_the_windows_of_a_walk() -> None:
    soup = BeautifulSoup(walk_page(), "html.parser")
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in soup.find(id="windows").select("tr:has(td)")]
    assert [cells[2:5] for cells in rows] == [
        ["5", "2.00", "1.00"], ["55", "2.00", "−1.00"], ["105", "2.00", "0.50"], ["155", "2.00", "–"],
    ]  # fmt: skip
    assert soup.find(id="errors").select("td")[1].get_text() == "it is <August>"
    assert "0.172.00 in training" in soup.find(id="headline").get_text()  # (1 - 1 + 0.5) / 3


DUMP_MAP = """<script>
addEventListener("load", () => {
  const read = () => [...document.querySelectorAll("#cells tr")].map((row) =>
    [...row.cells].map((cell) => cell.textContent + (cell.classList.contains("best") ? "*" : "")).join("|")).join("/");
  const choose = (id, value) => {
    const select = document.getElementById(id);
    select.value = value;
    select.dispatchEvent(new Event("change"));
  };
  const maps = [read()];
  choose("map-of", "best");
  maps.push(read());
  choose("map-figure", "3");
  maps.push(read());
  choose("map-x", "2");
  choose("map-y", "2");
  maps.push(read());
  document.title = JSON.stringify(maps);
});
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_draws_the_heat_map(tmp_path: Path) -> None:
    soup = browse(search_page() + DUMP_MAP, tmp_path)
    median, best, volatility, one = json.loads(soup.title.string)
    assert median == "slow ↓ fast →|5|10|20/40|1.00|1.50|2.50/60|1.20|1.70|2.70/100|1.60|2.10|3.10*"
    assert best.endswith("/100|1.70|2.20|3.20*")
    assert volatility.split("/")[1] == "40|5%*|10%|20%"
    assert one == "<kind> →|a|b/|5%*|5%*"


PAINT = """<script>
addEventListener("load", () => setTimeout(() => {
  document.title = [...document.querySelectorAll("canvas")].map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Uint32Array(data.buffer).filter(Boolean).length;
  });
}, 300));
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_draws_the_charts_of_a_walk(tmp_path: Path) -> None:
    painted = [int(pixels) for pixels in browse(walk_page() + PAINT, tmp_path).title.string.split(",")]
    assert len(painted) == 3
    assert min(painted) > 1000


KEYS = """<script>
addEventListener("load", () => setTimeout(() => {
  const holder = document.getElementById("walk-equity");
  const press = (key) => holder.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
  const session = () => holder.querySelector(".u-legend .u-value").textContent;
  const seen = [holder.tabIndex, session()];
  press("ArrowLeft");
  press("ArrowLeft");
  setTimeout(() => {
    seen.push(session());
    document.title = seen.join(" ");
  }, 200);
}, 300));
</script>"""


TOUCH = """<script>
addEventListener("load", () => setTimeout(() => {
  const holder = document.getElementById("walk-equity");
  const over = holder.querySelector(".u-over");
  const { left, width, top } = over.getBoundingClientRect();
  const touch = (kind, ...parts) => {
    const touches = parts.map((part, identifier) =>
      new Touch({ identifier, target: over, clientX: left + part * width, clientY: top + 20 }));
    return over.dispatchEvent(new TouchEvent(kind, { touches, bubbles: true, cancelable: true }));
  };
  const press = (key) => {
    const pressed = () => new KeyboardEvent("keydown", { key, shiftKey: true, cancelable: true });
    for (let i = 0; i < 12; i++) holder.dispatchEvent(pressed());
  };
  const wait = () => new Promise((done) => setTimeout(done, 100));
  const shown = async () => {
    const ends = [];
    for (const key of ["ArrowLeft", "ArrowRight"]) {
      press(key);
      await wait();
      ends.push(holder.querySelector(".u-legend .u-value").textContent);
    }
    return ends.join("/");
  };
  const moves = async (from, to) => {
    touch("touchstart", ...from);
    const isScrolled = touch("touchmove", ...to);
    touch("touchend");
    await wait();
    return isScrolled;
  };
  (async () => {
    const seen = [];
    seen.push(await moves([0.5], [0.25]), holder.querySelector(".u-legend .u-value").textContent, await shown());
    seen.push(await moves([0.4, 0.6], [0.3, 0.7]), await shown());
    seen.push(await moves([0.5], [0.3]), await shown());
    seen.push(await moves([0.5], [-9]), await shown());
    seen.push(await moves([0.3, 0.7], [0.49, 0.51]), await shown());
    document.title = seen.join(" ");
  })();
}, 300));
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_fingers_zoom_and_move_a_chart(tmp_path: Path) -> None:
    """201 days from 2020-01-01: a pinch to twice the size shows the middle half, a drag moves it to the end."""
    seen = browse(walk_page() + TOUCH, tmp_path).title.string.split()
    assert seen == [
        "false", "2020-02-20", "2020-01-01/2020-07-19",
        "false", "2020-02-20/2020-05-30",
        "false", "2020-03-11/2020-06-19",
        "false", "2020-04-10/2020-07-19",
        "false", "2020-01-01/2020-07-19",
    ]  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_the_arrow_keys_move_along_a_chart(tmp_path: Path) -> None:
    assert browse(walk_page() + KEYS, tmp_path).title.string == "0 2020-07-19 2020-07-17"
