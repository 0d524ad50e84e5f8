"""The serving layer: what it needs, applied on loopback; requests and websockets through it, a second plan, destroy.

A client → a small gateway → the functions' processes → S3, DynamoDB. The answers are those of `stockstream serve` on
the same lake. Run it by `make e2e`.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from stockstream.analytics.serving.generations import folder_of
from stockstream.analytics.serving.keys import new_key
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import LIVE, SERVING, Lake
from stockstream.pipeline.manifest import Change
from stockstream.pipeline.publishing import publish
from stockstream.terraform.packages import spec
from tests.analytics.serving.server import Server, start
from tests.analytics.test_cli import run_cli
from tests.aws.gateway import Gateway
from tests.aws.mapping import PATIENT
from tests.aws.rights import allowed_to
from tests.aws.sandbox import architecture, python
from tests.aws.server import LoopbackAws
from tests.pipeline.live.cloud import announced, kinesis_event, kinesis_record
from tests.pipeline.live.feed import frames, seconds
from tests.terraform.conftest import lake_files
from tests.terraform.deployment import Terraform

pytestmark = pytest.mark.e2e

NEEDED = ("-target=module.serving", "-target=module.lake")
"""Without the state machine, its alarms and schedules: tests/terraform/test_e2e.py applies those."""
PARAMETER = "/stockstream/keys"
READER, READER_LINE = new_key("reader", "read,paper")
TRADER, TRADER_LINE = new_key("trader", "read,live")
KEYS = f"# name : SHA-256 : scopes\n{READER_LINE}\n{TRADER_LINE}\n"
SYMBOLS = ["AAA", "BBB"]
PATHS = [
    "/v1/bars/IBM?limit=50",
    "/v1/bars?symbols=IBM,AAPL&start=2013-01-01",
    "/v1/bars/IBM?timeframe=weekly&adjustment=all&limit=20",
    "/v1/indicators/IBM?names=rsi_14,macd&limit=20",
    "/v1/signals?date=2013-02-28",
    "/v1/symbols",
    "/v1/openapi.json",
    "/v1/paper",
    "/v1/paper/trend",
]
DOCUMENTS = ("/v1/openapi.json", "/v1/paper")
"""Beginnings of the paths whose answers are in JSON alone."""
MEDIA = ["application/json", "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"]


@dataclass
class Serving:
    """The deployment, the gateway in front of it, and a server on the same lake."""

    aws: LoopbackAws
    terraform: Terraform
    gateway: Gateway
    outputs: dict[str, Any]
    lake: Lake

    @property
    def functions(self) -> dict[str, str]:
        return {name: arn.rsplit(":", 1)[1] for name, arn in self.outputs["function_arns"].items()}

    def get(self, path: str, key: str = READER, **headers: str) -> requests.Response:
        sent = {"Authorization": f"Bearer {key}"} if key else {}
        return requests.get(self.gateway.url + path, headers={"Accept": "*/*", **sent, **headers}, timeout=600)

    def connect(self, key: str = TRADER, query: str = "") -> ClientConnection:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return connect(self.gateway.socket_url + query, additional_headers=headers, open_timeout=600)

    def invoke(self, function: str, event: Any) -> dict[str, Any]:
        client = self.aws.client("lambda", config=PATIENT)
        answer = client.invoke(FunctionName=self.functions[function], Payload=json.dumps(event))
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body  # type: ignore[no-any-return]

    def forget(self) -> None:
        """End the processes of serve_http, and empty what they have in /tmp, as Lambda does after a while."""
        self.aws.lambdas.forget(self.functions["serve_http"])
        shutil.rmtree(folder_of(self.lake.uri, Path(gettempdir())), ignore_errors=True)

    def connections(self) -> list[dict[str, Any]]:
        table = self.outputs["serving"]["connections"]
        return self.aws.client("dynamodb").scan(TableName=table)["Items"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def folder(demo_lake: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's lake with a paper account."""
    folder = tmp_path_factory.mktemp("lake") / "lake"
    shutil.copytree(demo_lake, folder)
    account = ("--strategy", "MovingAverageCrossover", "--symbols", "IBM,AAPL", "--start", "2013-01-02")
    assert run_cli("paper", "start", "trend", *account, "--lake", str(folder)).code == 0
    return folder


@pytest.fixture(scope="module")
def serving(terraform_installed: None, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with LoopbackAws(compiled=True) as aws:
        aws.client("ssm").put_parameter(Name=PARAMETER, Value=KEYS, Type="SecureString")
        terraform = Terraform(
            tmp_path_factory.mktemp("checkout"),
            aws.environment,
            architecture=architecture(),
            python_version=python()[1],
            require_tls=False,
            lake_may_be_destroyed=True,
            speed_enabled=True,
            serving_enabled=True,
            serving_keys_parameter=PARAMETER,
            market="US",
        )
        terraform.init()
        terraform.apply(*NEEDED)
        outputs = terraform.outputs()
        uri = f"s3://{outputs['bucket']}"
        aws.s3.fill(uri, lake_files(folder))
        with pytest.MonkeyPatch.context() as patch, Gateway(aws) as gateway:
            for name, value in aws.environment.items():
                patch.setenv(name, value)
            settings.cache_clear()
            deployed = Serving(aws, terraform, gateway, outputs, Lake(uri))
            deployed.forget()
            yield deployed
            deployed.forget()
        settings.cache_clear()
        assert not aws.missing


@pytest.fixture(scope="module")
def local(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the same lake in a folder, which makes its own serving file."""
    cache = tmp_path_factory.mktemp("cache")
    keys = cache / "keys"
    keys.write_text(KEYS)
    started = start(folder, "--keys", str(keys), "--rate", "100000", "--burst", "100000", XDG_CACHE_HOME=str(cache))
    yield started
    started.stop()


def test_the_second_plan_is_empty(serving: Serving) -> None:
    assert serving.terraform.plan(*NEEDED) == {}


def test_without_a_serving_file_the_answer_is_503_and_not_a_minute_of_work(serving: Serving) -> None:
    answer = serving.get("/v1/bars/IBM?limit=1")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"] == "5"
    (log,) = [one.log for one in serving.aws.lambdas.invoked if one.function == serving.functions["serve_http"]]
    assert "has no serving file: a run with STOCKSTREAM_SERVING_FILE=1 stores one" in log


def test_the_step_of_the_pipeline_stores_the_file(serving: Serving) -> None:
    result = serving.invoke("publish_serving", {"run": "one"})
    number = head(serving.lake).generation
    assert result["generation"] == number
    assert list(serving.lake.store.list(SERVING)) == [result["key"]]
    assert serving.invoke("publish_serving", {"run": "two"})["generation"] is None  # it is there
    assert serving.get("/v1/status").json()["generation"] == number


@pytest.mark.parametrize("path", PATHS)
def test_the_answers_are_those_of_a_server(path: str, serving: Serving, local: Server) -> None:
    """Byte for byte, in all formats, with the same ETag: two servers, one body."""
    for accept in MEDIA[:1] if path.startswith(DOCUMENTS) else MEDIA:
        ours = serving.get(path, Accept=accept)
        theirs = local.get(path, accept, Authorization=f"Bearer {READER}")
        assert ours.status_code == theirs.status_code == 200, ours.text
        assert ours.content == theirs.content, (path, accept)
        for name in ("etag", "content-type", "cache-control", "x-generation", "x-next-page-token", "vary"):
            assert ours.headers.get(name) == theirs.headers.get(name), (path, accept, name)
        if etag := ours.headers.get("etag"):
            again = serving.get(path, Accept=accept, **{"If-None-Match": etag})
            assert (again.status_code, again.content) == (304, b"")


def test_a_named_generation_is_immutable_and_pages_follow(serving: Serving) -> None:
    number = head(serving.lake).generation
    answer = serving.get(f"/v1/@{number}/bars/IBM?limit=2")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    token = answer.json()["next_page_token"]
    following = serving.get(f"/v1/bars/IBM?limit=2&page_token={token}").json()["bars"]
    assert len({row["date"] for row in [*answer.json()["bars"], *following]}) == 4
    assert serving.get(f"/v1/@{number + 1}/bars/IBM").status_code == 404


def test_nothing_but_health_is_answered_without_a_key(serving: Serving) -> None:
    for path in (*PATHS, f"/v1/@{head(serving.lake).generation}/bars/IBM", "/", "/metrics", "/v1/status"):
        assert serving.get(path, key="").status_code == 401, path
        assert serving.get(path, key="wrong").status_code == 401, path
    assert serving.get("/health", key="").json()["status"] == "ok"
    assert serving.get("/v1/bars/IBM?limit=1", key="", **{"X-API-Key": READER}).status_code == 200


def test_the_header_host_is_that_of_the_api_or_of_cloudfront(serving: Serving) -> None:
    function = serving.aws.client("lambda").get_function_configuration(FunctionName=serving.functions["serve_http"])
    hosts = function["Environment"]["Variables"]["SERVING_HOSTS"].split(",")
    assert hosts == [serving.outputs["serving"]["url"].removeprefix("https://"), serving.gateway.host]
    name, serving.gateway.host = serving.gateway.host, "evil.example"
    try:
        assert serving.get("/health").status_code == 421
    finally:
        serving.gateway.host = name


def test_a_key_that_is_removed_opens_nothing_after_a_minute(serving: Serving) -> None:
    """The function reads the parameter again; here its process is ended, as the tests do not wait a minute."""
    client = serving.aws.client("ssm")
    client.put_parameter(Name=PARAMETER, Value=TRADER_LINE, Type="SecureString", Overwrite=True)
    try:
        serving.forget()
        assert serving.get("/v1/status").status_code == 401
        assert serving.get("/v1/status", key=TRADER).status_code == 200
        client.put_parameter(Name=PARAMETER, Value="no key", Type="SecureString", Overwrite=True)
        serving.forget()
        assert serving.get("/v1/status", key=TRADER).status_code == 503  # never: anybody
    finally:
        client.put_parameter(Name=PARAMETER, Value=KEYS, Type="SecureString", Overwrite=True)
        serving.forget()


def test_a_new_generation_is_served_when_its_file_is_there(serving: Serving) -> None:
    before = head(serving.lake).generation
    publish(serving.lake, "test", lambda _: (Change(tables={}), None))
    number = head(serving.lake).generation
    assert number > before
    assert serving.get("/v1/status").json()["generation"] == before  # nothing is made here
    assert serving.invoke("publish_serving", {"run": "three"})["generation"] == number
    served: dict[str, Any] = {}
    until = time.monotonic() + 60
    while served.get("generation") != number and time.monotonic() < until:
        time.sleep(0.2)  # the pointer is read once per second
        served = serving.get("/v1/status").json()
    assert served["generation"] == number
    # A function that has never served the one before takes it from the lake.
    serving.forget()
    for one in (before, number):
        answer = serving.get(f"/v1/@{one}/bars/IBM?limit=1")
        assert (answer.status_code, answer.headers["x-generation"]) == (200, str(one))


def test_a_damaged_file_is_not_served(serving: Serving) -> None:
    number = head(serving.lake).generation
    key = next(key for key in serving.lake.store.list(SERVING) if key.startswith(f"{SERVING}{number:06d}"))
    stored = serving.lake.store.get(key)
    assert stored is not None
    serving.aws.s3.fill(serving.lake.uri, {key: stored.data[:-1] + bytes([stored.data[-1] ^ 1])})
    serving.forget()
    assert serving.get("/v1/status").status_code == 503
    again = serving.invoke("publish_serving", {"run": "four"})
    assert again["generation"] == number
    assert serving.get("/v1/status").json()["generation"] == number


def test_who_may_connect(serving: Serving) -> None:
    for key, status in (("", 401), ("wrong", 401), (READER, 403)):
        with pytest.raises(InvalidStatus) as refused:
            serving.connect(key)
        assert refused.value.response.status_code == status
    with serving.connect() as socket:
        socket.send("{}")
        assert json.loads(socket.recv(600)) == {"subscribed": []}


def test_live_bars_reach_those_who_subscribed(serving: Serving) -> None:
    """From the stream of events to the websocket; the table's stream invokes the function that sends."""
    announced(serving.lake, SYMBOLS, source="replay:day.jsonl")
    with serving.connect() as one, serving.connect() as all_symbols, serving.connect() as silent:
        one.send(json.dumps({"subscribe": ["aaa"]}))
        assert json.loads(one.recv(600)) == {"subscribed": ["AAA"]}
        all_symbols.send(json.dumps({"subscribe": ["*"]}))
        assert json.loads(all_symbols.recv(600)) == {"subscribed": ["*"]}
        one.send('{"subscribe": "AAA"}')
        assert json.loads(one.recv(600))["status"] == 422
        records = [kinesis_record(number, frame) for number, frame in enumerate(frames(seconds(SYMBOLS, 30), 10))]
        assert serving.invoke("fold_events", kinesis_event(records)) == {"batchItemFailures": []}
        (mine,), both = events(one), events(all_symbols)
        assert {bar["symbol"] for bar in both} == {*SYMBOLS}
        assert mine == next(bar for bar in both if bar["symbol"] == "AAA")
        assert events(silent) == []
        client = serving.aws.client("dynamodb")
        key = {"symbol": {"S": "AAA"}, "session": {"S": mine["session"]}}
        item = client.get_item(TableName=serving.outputs["live"]["table"], Key=key)["Item"]
        assert {name: float(item[name]["N"]) for name in ("open", "high", "low", "close", "volume")} == {
            name: mine[name] for name in ("open", "high", "low", "close", "volume")
        }
        # Of many states of a bar in a batch, the newest is sent.
        older = {**item, "bar": {"S": item["bar"]["S"].replace(f'"close":{mine["close"]}', '"close":1.0')}}
        assert older != item
        result = serving.invoke("push_live", stream_event(older, older, item))
        assert result == {"SentBars": 2, "SentMessages": 2, "GoneConnections": 0, "FailedMessages": 0}
        assert events(one) == [mine]
        assert events(all_symbols) == [mine]


def test_an_account_is_shown_while_there_are_live_bars(serving: Serving) -> None:
    """Its positions are valued at them: DuckDB reads them from S3, with the rights of the function."""
    assert serving.lake.store.list(LIVE)
    summary = serving.get("/v1/paper/trend").json()["summary"]
    assert (summary["positions"] > 0, summary["live"]) == (True, None)  # there is none of its symbols
    assert serving.get("/paper/trend", Accept="text/html").status_code == 200


def test_a_connection_that_is_gone_or_has_expired_gets_nothing(serving: Serving) -> None:
    until = time.monotonic() + 60
    while serving.connections() and time.monotonic() < until:  # those of the test before have been closed
        time.sleep(0.1)
    assert serving.connections() == []
    client, table = serving.aws.client("dynamodb"), serving.outputs["serving"]["connections"]
    (live,) = client.scan(TableName=serving.outputs["live"]["table"], Limit=1)["Items"]
    for name, expires_at in (("gone", time.time() + 60), ("expired", time.time() - 1)):
        item = {"connection": {"S": name}, "key": {"S": "trader"}, "symbols": {"SS": ["*"]}}
        client.put_item(TableName=table, Item={**item, "expires_at": {"N": str(int(expires_at))}})
    result = serving.invoke("push_live", stream_event(live))
    assert result == {"SentBars": 0, "SentMessages": 0, "GoneConnections": 1, "FailedMessages": 0}
    assert [one["connection"]["S"] for one in serving.connections()] == ["expired"]  # DynamoDB deletes it hours later


def test_what_cloudfront_keeps(serving: Serving) -> None:
    """Assets alone, whose addresses have a checksum: every other answer depends on the caller's key."""
    (listed,) = serving.aws.client("cloudfront").list_distributions()["DistributionList"]["Items"]
    config = serving.aws.client("cloudfront").get_distribution(Id=listed["Id"])["Distribution"]["DistributionConfig"]
    default = config["DefaultCacheBehavior"]
    assert default["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # CachingDisabled
    (named,) = config["CacheBehaviors"]["Items"]
    assert (named["PathPattern"], named["CachePolicyId"]) == ("/assets/*", "658327ea-f89d-4fab-a63d-7e88639e58f6")
    page = serving.get("/", Accept="text/html")
    assert page.headers["cache-control"].startswith("private")
    (style, *_) = re.findall(r'rel="stylesheet" href="(/assets/[^"]+)"', page.text)
    asset = serving.get(style, key="")
    assert (asset.status_code, asset.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert {default["ViewerProtocolPolicy"], named["ViewerProtocolPolicy"]} == {"https-only"}
    assert config["Origins"]["Items"][0]["DomainName"] == serving.gateway.host


def test_every_metric_of_an_alarm_is_one_that_is_logged(serving: Serving) -> None:
    alarms = serving.aws.client("cloudwatch").describe_alarms(AlarmNamePrefix="stockstream-dev-serving-")[
        "MetricAlarms"
    ]
    metrics = [query["MetricStat"]["Metric"] for alarm in alarms for query in alarm["Metrics"] if "MetricStat" in query]
    assert {one["Namespace"] for one in metrics} == {"AWS/ApiGateway", "AWS/Lambda", "StockStream"}
    logs = [one.log for one in serving.aws.lambdas.invoked if one.function == serving.functions["push_live"]]
    lines = [json.loads(line) for log in logs for line in log.splitlines() if '"_aws"' in line]
    for metric in metrics:
        if metric["Namespace"] == "StockStream":
            dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
            assert any(dimensions.items() <= line.items() and metric["MetricName"] in line for line in lines), metric


def test_every_function_may_do_what_it_does_and_no_more(serving: Serving) -> None:
    rights = serving.aws.rights
    assert rights.refused == set()
    parts = [serving.functions[name] for name in (*spec()["serving_functions"], "publish_serving")]
    unused = {
        (part, action, resource)
        for part in parts
        for action, resource in allowed_to(part)
        if re.match(r"(dynamodb:(Put|Delete|Update|Scan)|s3:(Put|Delete))", action)
        and not any((part, action) == one[:2] and fnmatch(one[2], resource) for one in rights.asked)
    }
    assert unused == set()
    for part in parts:
        for action, resource in allowed_to(part):
            assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action), action
            assert re.fullmatch(r"arn:aws:[^*]+[^:*](/|:log-stream:)\*|arn:aws:[^*]+", resource), (part, resource)


def test_destroy_leaves_nothing(serving: Serving) -> None:
    serving.terraform.destroy()
    assert list(serving.terraform.resources()) == []
    client = serving.aws.client
    left = {
        "APIs": client("apigatewayv2").get_apis()["Items"],
        "distributions": client("cloudfront").list_distributions()["DistributionList"].get("Items", []),
        "tables": client("dynamodb").list_tables()["TableNames"],
        "mappings": client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "functions": client("lambda").list_functions()["Functions"],
        "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
        "log groups": client("logs").describe_log_groups()["logGroups"],
        "roles": [one for one in client("iam").list_roles()["Roles"] if one["RoleName"].startswith("stockstream")],
    }
    assert {name: list(things) for name, things in left.items() if things} == {}


def events(socket: ClientConnection) -> list[dict[str, Any]]:
    """Return the bars that a websocket was sent, the newest per symbol: they come before the answer to a message."""
    socket.send("{}")
    bars: dict[str, dict[str, Any]] = {}
    while isinstance(message := json.loads(socket.recv(600)), list):
        for one in message:
            assert one["event"] == "bar"
            bars[one["data"]["symbol"]] = one["data"]
    assert message.keys() == {"subscribed"}
    return list(bars.values())


def stream_event(*items: dict[str, Any]) -> dict[str, Any]:
    """Return an event of the table's stream with states of items, in their order, and one that was deleted."""
    records = [{"eventName": "MODIFY", "dynamodb": {"NewImage": item}} for item in items]
    return {"Records": [*records, {"eventName": "REMOVE", "dynamodb": {"Keys": {}}}]}
