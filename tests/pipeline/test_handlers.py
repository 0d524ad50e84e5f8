"""The Lambda handlers in this process; tests/terraform has the tests that need a deployment."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.handlers import fetch_batch, runtime, steps, update_symbols
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import refresh
from tests.s3_server import REGION, S3Server
from tests.yahoo_replay import YahooReplay, chart

DAY = date(2026, 8, 7)


@dataclass
class Context:
    """The context that Lambda passes to a handler."""

    seconds: list[float]
    function_name = "any"
    memory_limit_in_mb = 512
    invoked_function_arn = f"arn:aws:lambda:{REGION}:123456789012:function:any"
    aws_request_id = "one"

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]))


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("STOCKSTREAM_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("STOCKSTREAM_START", "2026-08-03")
    settings.cache_clear()
    lake = Lake(str(tmp_path / "lake"))
    lake.prepare(MARKETS["ASX"], DAY)
    return lake


def answer(yahoo: YahooReplay, *symbols: str) -> None:
    for symbol in symbols:
        yahoo.script(f"{symbol}.AX", chart(f"{symbol}.AX", [(DAY, 1.0, 2.0, 0.5, 1.5, 10)]))


def test_a_batch_without_time_left_stores_what_it_has_fetched(lake: Lake, yahoo: YahooReplay) -> None:
    """It ends with an error by whose name the state machine retries the rest."""
    answer(yahoo, "AAA", "BBB", "CCC")
    event = {"date": "2026-08-07", "batchNumber": 0, "symbols": ["AAA", "BBB", "CCC"], "run": "one"}
    with pytest.raises(Exception, match="2 of 3 symbols are still missing") as caught:
        fetch_batch.handler(event, Context([100, 50, 5]))
    assert type(caught.value).__name__ == "OutOfTime"
    (record,) = json.loads(lake.store.get("state/runs/2026-08-07/one/batch-0.json").data)  # type: ignore[union-attr]
    assert (record["rows"], record["stopped"], [one["symbol"] for one in record["missing"]]) == (
        1,
        "OutOfTime",
        ["BBB", "CCC"],
    )
    again = fetch_batch.handler(event, Context([100]))
    assert (again["rows"], again["up_to_date"], again["missing"]) == (2, 1, 0)


def test_an_executions_input_is_checked(lake: Lake) -> None:
    with pytest.raises(Exception, match=r"no key input.symbol: .* did you mean symbols\?") as caught:
        update_symbols.handler({"run": "one", "input": {"symbol": ["AAA"]}}, Context([100]))
    assert type(caught.value).__name__ == "UsageError"


@pytest.mark.parametrize("batch_size", ["batch_size", "batchSize"])
def test_an_execution_may_name_symbols_and_a_range(batch_size: str, lake: Lake) -> None:
    options = {"symbols": ["AAA", "BBB", "AAA"], "start": "2026-01-05", "end": "2026-01-09", batch_size: 1}
    plan = update_symbols.handler({"run": "one", "now": "2026-08-07T20:00:00Z", "input": options}, Context([100]))
    assert plan["symbolBatches"] == [{"symbols": ["AAA"], "batchNumber": 0}, {"symbols": ["BBB"], "batchNumber": 1}]
    assert (plan["date"], plan["start"], plan["end"], plan["listings"]) == (
        "2026-08-08",  # in Sydney
        "2026-01-05",
        "2026-01-09",
        None,
    )


def test_a_plain_step_is_a_handler_under_its_name(lake: Lake) -> None:
    result = steps.check({"run": "one"}, Context([100]))
    assert result["failed"] == []
    with pytest.raises(AttributeError, match="nothing"):
        steps.nothing  # noqa: B018


def test_a_long_result_is_shortened_for_the_state_machine(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log has all of it: the state of an execution is at most 256 KB."""
    log = io.StringIO()
    monkeypatch.setattr(runtime.logger.registered_handler, "stream", log)
    damaged = [f"file-{n}: {'x' * 1000}" for n in range(5000)]
    result = {"parts": {"consolidate": {"damaged": damaged, "rows": 1}}, "failed": {}, "stale": ["indicators"]}
    monkeypatch.setattr(refresh, "run", lambda event, lake: result)
    answer = steps.refresh({"run": "one"}, Context([100]))
    listed = answer["parts"]["consolidate"].pop("damaged")
    assert answer == {"parts": {"consolidate": {"rows": 1}}, "failed": {}, "stale": ["indicators"]}
    assert listed == [*(one[:500] for one in damaged[:50]), "and 4950 more: the log of the function has all"]
    assert damaged[-1] in log.getvalue()


def test_modules_log_as_json_with_the_run(lake: Lake, yahoo: YahooReplay, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(runtime.logger.registered_handler, "stream", log)
    answer(yahoo, "AAA")
    event = {"date": "2026-08-07", "batchNumber": 0, "symbols": ["AAA"], "run": "one"}
    fetch_batch.handler(event, Context([100]))
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (line,) = [line for line in lines if line["message"] == "batch 0: 1 rows, 0 missing"]
    assert (line["level"], line["correlation_id"], line["function_request_id"]) == ("INFO", "one", "one")


def test_polygons_key_comes_from_ssm(tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read by the name of its parameter, decrypted, and used; the environment never has it."""
    headers: list[str | None] = []

    class Polygon(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers.append(self.headers["Authorization"])
            body = b'{"status": "OK", "results": []}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Polygon)
    Thread(target=server.serve_forever, daemon=True).start()
    boto3.client("ssm").put_parameter(Name="/stockstream/polygon", Type="SecureString", Value="the-key")
    for name, value in {
        "STOCKSTREAM_LAKE": str(tmp_path / "lake"),
        "STOCKSTREAM_MARKET": "US",
        "STOCKSTREAM_SOURCE": "polygon",
        "STOCKSTREAM_POLYGON_URL": f"http://127.0.0.1:{server.server_port}",
        "POLYGON_API_KEY_PARAMETER": "/stockstream/polygon",
    }.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    Lake(str(tmp_path / "lake")).prepare(MARKETS["US"], DAY)
    fetch_batch.handler({"date": str(DAY), "symbols": ["AAPL"], "start": "2026-08-06"}, Context([100]))
    server.shutdown()
    assert set(headers) == {"Bearer the-key"}

    monkeypatch.setenv("POLYGON_API_KEY_PARAMETER", "/no/such")
    settings.cache_clear()
    with pytest.raises(Exception, match="POLYGON_API_KEY_PARAMETER /no/such cannot be read from SSM"):
        fetch_batch.handler({"date": str(DAY), "symbols": ["AAPL"]}, Context([100]))
