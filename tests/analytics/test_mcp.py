"""`stockstream mcp` through the SDK's own client: tools, their limits, attacks, and how the server ends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult

from stockstream import analytics
from stockstream.sql.errors import ExitCode
from tests.analytics.serving.test_sql import REFUSED
from tests.analytics.test_cli import CSV, run_cli

PROGRAM = [sys.executable, "-c", "from stockstream.analytics.cli import main; main()", "mcp"]


class Client:
    """A session of the SDK's client in a thread with an event loop of its own."""

    def __init__(self, lake: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready: Future[ClientSession] = Future()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run(lake)])
        self._thread.start()
        self.session = self._ready.result()

    async def _run(self, lake: str) -> None:
        server = StdioServerParameters(command=PROGRAM[0], args=[*PROGRAM[1:], "--lake", lake])
        try:
            async with stdio_client(server) as (reader, writer), ClientSession(reader, writer) as session:
                await session.initialize()
                self._ready.set_result(session)
                await self._end.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    def run(self, coroutine: Any) -> Any:
        """Return what a coroutine of the session returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def call(self, tool: str, **arguments: object) -> CallToolResult:
        """Return the answer of a tool; the client compares it with the tool's schema."""
        result: CallToolResult = self.run(self.session.call_tool(tool, arguments))
        return result

    def rows(self, tool: str, **arguments: object) -> list[dict[str, Any]]:
        """Return the rows of an answer."""
        answer = self.call(tool, **arguments)
        assert not answer.isError, answer.content
        rows: list[dict[str, Any]] = answer.structuredContent["rows"]  # type: ignore[index]
        return rows

    def error(self, tool: str, **arguments: object) -> str:
        """Return the text of an error."""
        answer = self.call(tool, **arguments)
        assert answer.isError, answer.content
        assert answer.structuredContent is None
        return answer.content[0].text  # type: ignore[union-attr]

    def stop(self) -> None:
        """End the session and the server."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mcp")
    (folder / "bars.csv").write_text(CSV)
    assert run_cli("run", "--source", f"files:{folder / 'bars.csv'}", "--lake", str(folder / "lake")).code == 0
    return str(folder / "lake")


@pytest.fixture(scope="module")
def client(lake: str) -> Iterator[Client]:
    started = Client(lake)
    yield started
    started.stop()


def test_tools_are_listed_with_closed_schemas(client: Client) -> None:
    tools = client.run(client.session.list_tools()).tools
    assert [tool.name for tool in tools] == ["lake_help", "query", "bars", "indicators", "checks", "backtest"]
    for tool in tools:
        assert tool.inputSchema["additionalProperties"] is False
        assert tool.outputSchema["type"] == "object"
        assert tool.annotations.readOnlyHint


def test_answers_are_those_of_the_lake_and_name_their_generation(client: Client, lake: str) -> None:
    sql = "SELECT symbol, close FROM bars_split_adjusted ORDER BY symbol, date"
    with analytics.connect(lake) as con:
        expected = [{"symbol": symbol, "close": close} for symbol, close in con.sql(sql).fetchall()]
    assert client.rows("query", sql=sql) == expected
    answer = client.call("bars", symbols="BHP", limit=1)
    first = answer.structuredContent
    assert first is not None
    assert (first["generation"], first["is_truncated"]) == (1, True)
    text = answer.content[0].text  # type: ignore[union-attr]
    assert text.startswith("generation 1, 1 row, and there are more (page_token: ")
    rest = client.rows("bars", symbols="BHP", page_token=first["next_page_token"], generation=1)
    closes = [row["close"] for row in expected if row["symbol"] == "BHP"]
    assert [row["close"] for row in [*first["rows"], *rest]] == closes
    assert client.rows("indicators", symbol="BHP", names="sma_2")[1]["sma_2"] == pytest.approx(sum(closes[:2]) / 2)
    assert {row["severity"] for row in client.rows("checks")} <= {"warn", "fail"}


def test_help_lists_what_query_has(client: Client) -> None:
    names = {row["name"].split("(")[0] for row in client.rows("lake_help")}
    assert {"bars_adjusted", "rsi", "bars_resampled"} <= names
    assert "bars" not in names
    assert "close" in {row["name"] for row in client.rows("lake_help", object="bars_adjusted")}
    assert "did you mean bars_adjusted" in client.error("lake_help", object="bars_adjustd")


def test_a_backtest_is_of_a_shipped_strategy(client: Client) -> None:
    answer = client.call("backtest", strategy="BuyAndHold", symbols="BHP")
    assert not answer.isError, answer.content
    assert answer.structuredContent is not None
    assert "sharpe" in {row["figure"] for row in answer.structuredContent["rows"]}
    assert "BuyAndHold" in answer.structuredContent["notes"][0]
    for strategy in ("evil.py:Evil", "os.system", "/tmp/x.py"):
        assert "there are BollingerBreakout" in client.error("backtest", strategy=strategy)
    assert "has no fsat; did you mean fast?" in client.error(
        "backtest", strategy="MovingAverageCrossover", params={"fsat": 3}
    )
    assert "is for the command line" in client.error("backtest", strategy="BuyAndHold", commission="evil.py:fee")


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("bars", {"symbols": "BHQ"}, "there are no bars of BHQ"),
        ("indicators", {"symbol": "BHQ"}, "there are no bars of BHQ"),
        ("backtest", {"strategy": "BuyAndHold", "symbols": "BHQ"}, "there are no bars of BHQ"),
        ("bars", {"symbol": "BHP"}, "symbol: there is no such parameter; did you mean symbols?"),
        ("bars", {"limit": 1001}, "limit: "),
        ("bars", {"start": "yesterday"}, "start: write YYYY-MM-DD"),
        ("bars", {"generation": 99}, "generation 99 is not served: there are 1"),
        ("bars", {"page_token": "x"}, "page_token: this is none"),
        ("query", {"sql": "SELECT nosuch FROM bars_adjusted"}, "nosuch"),
        ("query", {"sql": "SELECT repeat('x', 2000000)"}, "more than 1,000,000: ask for fewer"),
        ("quary", {}, "there is no tool quary; did you mean query?"),
    ],
)
def test_what_is_wrong_is_said(client: Client, tool: str, arguments: dict[str, object], reason: str) -> None:
    assert reason in client.error(tool, **arguments)


def test_what_is_no_select_of_the_file_is_refused(client: Client, lake: str, tmp_path: Path) -> None:
    for sql, reason in REFUSED:
        text = client.error("query", sql=sql.format(file=tmp_path / "evil"))
        assert reason in text
        assert lake not in text
    assert not (tmp_path / "evil").exists()


@pytest.mark.large
def test_a_slow_query_is_stopped(client: Client) -> None:
    sql = "SELECT count(*) FROM range(1000000) AS a, range(1000000) AS b WHERE a.range * b.range % 7 = 8"
    assert "CPU time" in client.error("query", sql=sql)
    assert client.rows("query", sql="SELECT 42 AS answer") == [{"answer": 42}]


@pytest.mark.large
@pytest.mark.parametrize("ending", ["the client is killed", "SIGTERM"])
def test_the_server_ends_and_leaves_no_process(lake: str, ending: str) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    slow = {"name": "query", "arguments": {"sql": "SELECT count(*) FROM range(1000000) AS a, range(1000000) AS b"}}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*PROGRAM, "--lake", lake], start_new_session=True, **pipes)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None

    def send(**message: object) -> None:
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        process.stdin.flush()

    send(id=1, method="initialize", params=hello)
    assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "stockstream"
    send(method="notifications/initialized")
    send(id=2, method="tools/call", params={"name": "checks", "arguments": {}})
    assert json.loads(process.stdout.readline())["id"] == 2, "nothing else is on standard output"
    send(id=3, method="tools/call", params=slow)
    if ending == "SIGTERM":
        process.terminate()
    else:
        process.stdin.close()
        process.stdout.close()
    assert process.wait() == (ExitCode.TERMINATED if ending == "SIGTERM" else 0)
    assert b"Traceback" not in process.stderr.read()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def test_the_entry_for_a_client(lake: str) -> None:
    ran = run_cli("mcp", "--lake", lake, "--config")
    entry = json.loads(ran.out)["mcpServers"]["stockstream"]
    assert entry["args"] == ["mcp", "--lake", lake]
    assert Path(entry["command"]).is_absolute()
