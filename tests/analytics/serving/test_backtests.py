"""Backtests over HTTP: those of a folder as rows, runs of the form, and what neither may do to the server."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.ipc as ipc
import pytest
import requests

from tests.analytics.serving.server import Server, start
from tests.analytics.serving.strategies import write_strategies
from tests.analytics.serving.test_door import make_key
from tests.analytics.serving.test_openapi import OF_A_FOLDER, check_form
from tests.analytics.test_cli import run_cli

SINCE = "2012-09-03"
PROGRAM = {"X-API-Key": "none"}
"""A header that no browser adds by itself: the request needs no token."""
RANGE = {"symbols": "IBM", "start": SINCE}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, lake: str) -> Path:
    """A folder with `strategies`, and with `backtests`, of which one is whole."""
    folder = tmp_path_factory.mktemp("backtests")
    write_strategies(folder / "strategies")
    stored = folder / "backtests"
    options = ("--symbols", "IBM,AAPL", "--start", SINCE, "--benchmark", "IBM", "--param", "fast=5")
    command = ("backtest", "--strategy", "MovingAverageCrossover", "--lake", lake, *options)
    assert run_cli(*command, "-o", str(stored / "mine & yours")).code == 0
    return folder


@pytest.fixture(scope="module")
def desk(place: Path, lake: str) -> Iterator[Server]:
    """A server with both folders."""
    folders = ("--backtests", str(place / "backtests"), "--strategies", str(place / "strategies"))
    options = ("--run-seconds", "300", "--run-memory", "1500", "--rate", "100000", "--burst", "100000")
    started = start(lake, *folders, *options, PIDS=str(place / "pids"))
    yield started
    started.stop()


def until(condition: Callable[[], Any], seconds: float = 600) -> Any:
    """Return the first value of a condition that is true."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "it does not become true"
        time.sleep(0.05)
    return value


def post(server: Server, path: str, **fields: Any) -> requests.Response:
    """Return the answer to a form that a program sends."""
    address = server.address + path
    return requests.post(address, data=fields, headers=PROGRAM, timeout=60, allow_redirects=False)


def run(server: Server, strategy: str, **fields: str) -> str:
    """Start a run; return the path of its page."""
    answer = post(server, "/runs", strategy=strategy, **RANGE | fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def state(server: Server, path: str, **headers: str) -> str:
    return str(server.json(f"{path}/state", **headers)["state"])


def over(server: Server, path: str) -> str:
    """Return the page of a run when it is over."""
    until(lambda: state(server, path) not in ("waiting", "running"))
    return server.get(path).text


def test_rows_in_all_formats_are_those_of_the_files(desk: Server, place: Path) -> None:
    listed = desk.json("/v1/backtests")
    [row] = [row for row in listed["backtests"] if row["id"] == "mine & yours"]
    stored = json.loads((place / "backtests/mine & yours/result.json").read_text())
    assert {name: row[name] for name in stored["metrics"]} == stored["metrics"]
    assert (row["generation"], json.loads(row["params"])["fast"]) == (1, 5)
    path = "/v1/backtests/mine%20%26%20yours"
    figures = desk.json(path)["figures"]
    assert {one["figure"]: one["value"] for one in figures} == stored["metrics"]
    equity = pl.read_parquet(place / "backtests/mine & yours/equity.parquet")
    answer = desk.get(f"{path}?table=equity", "application/vnd.apache.parquet")
    assert pl.read_parquet(io.BytesIO(answer.content)).equals(equity)
    again = desk.get(
        f"{path}?table=equity", "application/vnd.apache.parquet", **{"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304
    arrow = desk.get(f"{path}?table=trades", "application/vnd.apache.arrow.stream").content
    trades = pl.read_parquet(place / "backtests/mine & yours/trades.parquet")
    assert pl.from_arrow(ipc.open_stream(arrow).read_all()).equals(trades)  # type: ignore[union-attr]
    csv = desk.get(f"{path}?table=transactions", "text/csv").content
    assert len(pl.read_csv(csv)) == len(pl.read_csv(place / "backtests/mine & yours/transactions.csv"))


@pytest.mark.parametrize("path", OF_A_FOLDER)
def test_an_answer_has_the_form_of_its_description(desk: Server, path: str) -> None:
    check_form(desk, desk.json("/v1/openapi.json"), path, OF_A_FOLDER[path])


def test_what_is_damaged_or_foreign_is_named(desk: Server, place: Path) -> None:
    whole = place / "backtests/mine & yours"
    names = ("broken", "cut", "foreign", "pipe", "deep")
    for name in names:
        (place / "backtests" / name).mkdir()
    (place / "backtests/broken/result.json").write_text('{"setup": {}, "metrics": {"sharpe": "x"}, "provenance": {}}')
    for name in ("result.json", "equity.parquet"):
        data = (whole / name).read_bytes()
        (place / "backtests/cut" / name).write_bytes(data if name == "result.json" else data[: len(data) // 2])
    os.mkfifo(place / "backtests/pipe/result.json")
    (place / "backtests/deep/result.json").write_text("[" * 100_000)
    (place / "backtests/file.txt").write_text("x")
    (place / "backtests/away").symlink_to(place / "strategies")
    listed = desk.json("/v1/backtests")
    damaged = {one["name"]: one["reason"] for one in listed["damaged"]}
    assert {*damaged} == {*names, "file.txt", "away"}
    assert "sharpe" in damaged["broken"] or "metrics" in damaged["broken"]
    assert damaged["cut"].startswith("equity.parquet")
    assert damaged["away"] == "it is a link"
    assert [row["id"] for row in listed["backtests"]] == ["mine & yours"]
    assert desk.get("/v1/backtests", "text/csv").headers["x-damaged"] == "7"
    page = desk.get("/backtests", "text/html")
    assert page.status_code == 200
    for name in damaged:
        assert f">{name}</th>" in page.text
        for path in (f"/v1/backtests/{name}", f"/backtests/{name}", f"/backtests/{name}/report"):
            assert desk.get(path).status_code == 409, path
    (whole / "trades.parquet").rename(whole / "kept")
    try:
        answer = desk.get("/v1/backtests/mine%20%26%20yours?table=trades")
        assert (answer.status_code, "trades.parquet" in answer.json()["detail"]) == (409, True)
        (whole / "trades.parquet").symlink_to("/etc/passwd")
        assert desk.get("/v1/backtests/mine%20%26%20yours?table=trades").status_code == 409
        (whole / "trades.parquet").unlink()
    finally:
        (whole / "kept").rename(whole / "trades.parquet")


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2Fstrategies", "%2Fetc", ".running-1", "x%00", "mine", "%F0%9F%98%80"]
)
def test_a_name_never_leads_out_of_the_folder(desk: Server, name: str) -> None:
    for path in (f"/v1/backtests/{name}", f"/backtests/{name}/report"):
        request = requests.Request("GET", desk.address).prepare()
        request.url = desk.address + path  # as it is: requests would shorten it
        with requests.Session() as session:
            assert session.send(request, timeout=60).status_code == 404


def test_a_server_without_a_folder_says_how_to_name_one(server: Server) -> None:
    assert "--backtests FOLDER" in server.get("/v1/backtests").json()["detail"]
    assert "--backtests FOLDER" in server.get("/backtests").text
    assert run_cli("serve", "--strategies", ".").code == 2
    assert "no such folder" in run_cli("serve", "--backtests", "/nowhere/at/all").err


def test_a_run_of_the_form_is_that_of_the_command_line(desk: Server, place: Path, lake: str, tmp_path: Path) -> None:
    fields = {"param.size": "3", "initial_capital": "50000", "commission": "5/fill", "slippage": "5bps"}
    path = run(desk, "several.py:Good", **fields, benchmark="AAPL")
    over(desk, path)
    answer = desk.get(path)
    assert "/backtests/Good-" in answer.url
    name = answer.url.rpartition("/")[2]
    options = ["--param", "size=3", "--initial-capital", "50000", "--commission", "5/fill", "--slippage", "5bps"]
    strategy = f"{place / 'strategies/several.py'}:Good"
    command = ("backtest", "--strategy", strategy, "--lake", lake, "--symbols", "IBM", "--start", SINCE, *options)
    assert run_cli(*command, "--benchmark", "AAPL", "-o", str(tmp_path / "cli")).code == 0
    of_cli = json.loads((tmp_path / "cli/result.json").read_text())
    of_form = json.loads((place / "backtests" / name / "result.json").read_text())
    assert of_form["provenance"].pop("lake") == Path(of_cli["provenance"].pop("lake")).name
    assert of_form == of_cli
    assert str(place) not in (place / "backtests" / name / "report.html").read_text()
    assert sorted(path.name for path in (tmp_path / "cli").iterdir()) == sorted(
        path.name for path in (place / "backtests" / name).iterdir()
    )


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("symbols", "IBMM", "did you mean IBM"),
        ("start", "yesterday", "YYYY-MM-DD"),
        ("end", "2001-01-01", "before it starts"),
        ("initial_capital", "-5", "greater than 0"),
        ("initial_capital", "inf", "finite"),
        ("commission", "lots", "lots"),
        ("commission", "/etc/evil.py:fees", "for the command line"),
        ("slippage", "evil.py", "for the command line"),
        ("benchmark", "IBM,AAPL", "one symbol"),
        ("param.fast", "five", "write a number"),
        ("param.fast", "5:50:5", "one value"),
        ("param.fast", "9" * 1999, "one value|number"),
        ("param.fast", "", "write a value"),
    ],
)
def test_what_is_wrong_is_beside_its_field_and_the_input_is_kept(
    desk: Server, field: str, text: str, reason: str
) -> None:
    fields = {"param.fast": "7", "param.slow": "30", "param.percent": "90", **RANGE, field: text}
    answer = post(desk, "/runs", strategy="MovingAverageCrossover", **fields)
    if field == "param.fast" and len(text) > 100 and answer.status_code == 303:  # as the command line, it is a number
        post(desk, f"{answer.headers['location']}/cancel")
        return
    assert answer.status_code == 422
    assert re.search(reason, answer.text), answer.text
    if field != "end":
        assert f'id="{field}-error"' in answer.text
    if "<" not in text:
        assert f'value="{text}"' in answer.text
    assert 'value="30"' in answer.text


@pytest.mark.parametrize(
    ("strategy", "status"),
    [
        ("../outside.py", 404),
        ("../outside.py:Outside", 404),
        ("link.py:Outside", 404),
        ("/etc/passwd", 404),
        ("several.py/../../outside.py", 404),
        ("several.py:Other", 404),
        ("several.py", 404),
        ("fails.py", 422),
        ("", 404),
    ],
)
def test_only_strategies_of_the_listing_are_run(desk: Server, place: Path, strategy: str, status: int) -> None:
    answer = post(desk, "/runs", strategy=strategy, **RANGE)
    assert answer.status_code == status
    assert str(place) not in answer.text
    if strategy == "fails.py":
        assert "fails.py failed: RuntimeError: at the import" in answer.text


def test_foreign_or_too_large_forms_are_refused(desk: Server) -> None:
    fields = {"strategy": "BuyAndHold", **RANGE}
    for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = requests.post(f"{desk.address}/runs", data=fields, headers=headers, timeout=60)
        assert answer.status_code == 403
    assert post(desk, "/runs", **fields, note="x" * 100_000).status_code == 413
    assert post(desk, "/runs", **{**fields, "symbols": "x" * 3_000}).status_code == 422
    assert post(desk, "/runs", **fields, unknown="1").status_code == 422
    assert post(desk, "/runs", **{**fields, "symbols": ["IBM", "AAPL"]}).status_code == 422
    assert requests.get(f"{desk.address}/runs/0123456789abcdef", timeout=60).status_code == 404


def test_strategies_that_end_eat_and_print(desk: Server, place: Path) -> None:
    paths = {name: run(desk, f"several.py:{name}") for name in ("Exits", "Eats", "Prints")}
    assert "its process ended with the code 3" in over(desk, paths["Exits"])
    eats = over(desk, paths["Eats"])
    assert "MemoryError" in eats or "MB of memory" in eats
    prints = over(desk, paths["Prints"])
    assert "Prints.on_data failed" in prints
    assert "ValueError: place (several.py, line" in prints
    assert "last words" in prints
    assert "Traceback" not in prints
    assert len(prints) < 20_000
    assert str(place) not in prints
    assert desk.json("/health")["status"] == "ok"


def test_a_run_is_cancelled_and_the_queue_is_bounded(desk: Server, place: Path) -> None:
    (place / "pids").unlink(missing_ok=True)
    before = {path.name for path in (place / "backtests").iterdir()}
    endless = run(desk, "several.py:Endless")
    until(lambda: (place / "pids").exists() and (place / "pids").read_text())
    waiting = [post(desk, "/runs", strategy="BuyAndHold", **{"param.percent": "50"}, **RANGE) for _ in range(100)]
    accepted = [answer.headers["location"] for answer in waiting if answer.status_code == 303]
    refused = [answer for answer in waiting if answer.status_code == 503]
    assert (len(accepted), len(refused)) == (8, 92)
    assert "8 runs wait already" in refused[0].text
    assert refused[0].headers["retry-after"] == "30"
    assert desk.json(f"{accepted[7]}/state")["before"] == 8
    for path in reversed(accepted):
        assert post(desk, f"{path}/cancel").status_code == 303
    assert state(desk, accepted[0]) == "cancelled"
    post(desk, f"{endless}/cancel")
    assert "was cancelled" in over(desk, endless)
    [pid] = (place / "pids").read_text().split()
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert {path.name for path in (place / "backtests").iterdir()} == before


@pytest.fixture(scope="module")
def guarded(place: Path, lake: str) -> Iterator[tuple[Server, dict[str, dict[str, str]]]]:
    """A server with keys, where a run may take three seconds; and the header of each key."""
    made = {
        name: make_key(name, scopes) for name, scopes in (("anna", "read,run"), ("bob", "read,run"), ("carl", "read"))
    }
    (place / "keys").write_text("\n".join(line for _, line in made.values()))
    folders = ("--backtests", str(place / "backtests"), "--strategies", str(place / "strategies"))
    options = ("--keys", str(place / "keys"), "--run-seconds", "3", "--burst", "10000")
    started = start(lake, *folders, *options, PIDS=str(place / "guarded-pids"))
    yield started, {name: {"X-API-Key": key} for name, (key, _) in made.items()}
    started.stop()


def test_a_run_belongs_to_its_key_ends_in_time_and_with_the_server(
    guarded: tuple[Server, dict[str, dict[str, str]]], place: Path
) -> None:
    server, keys = guarded
    fields = {"strategy": "several.py:Endless", **RANGE}

    def send(path: str, name: str) -> requests.Response:
        address = server.address + path
        return requests.post(address, data=fields, headers=keys[name], timeout=60, allow_redirects=False)

    assert send("/runs", "carl").status_code == 403
    assert server.get("/runs", **keys["carl"]).status_code == 403
    assert server.get("/runs", **keys["bob"]).status_code == 200
    path = send("/runs", "anna").headers["location"]
    for tried in (path, f"{path}/state"):
        assert server.get(tried, **keys["bob"]).status_code == 404
        assert server.get(tried, **keys["carl"]).status_code == 403
    assert send(f"{path}/cancel", "bob").status_code == 404
    assert send(f"{path}/cancel", "carl").status_code == 403
    until(lambda: state(server, path, **keys["anna"]) == "failed")
    assert "took longer than 3 s" in server.get(path, **keys["anna"]).text
    path = send("/runs", "anna").headers["location"]
    until(lambda: state(server, path, **keys["anna"]) == "running")
    code, log = server.stop(signal.SIGTERM)
    assert code == 143, log
    assert "Traceback" not in log
    assert not [*(place / "backtests").glob(".running-*")]
    for pid in (place / "guarded-pids").read_text().split() if (place / "guarded-pids").exists() else []:
        assert not Path(f"/proc/{pid}").exists()


@pytest.mark.large
def test_a_run_ends_when_its_server_is_killed(place: Path, lake: str, tmp_path: Path) -> None:
    folders = ("--backtests", str(place / "backtests"), "--strategies", str(place / "strategies"))
    started = start(lake, *folders, PIDS=str(tmp_path / "pids"))
    run(started, "several.py:Endless")
    pid = until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().split())[0]
    started.stop(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists())
