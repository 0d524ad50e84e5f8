"""The speed layer: one apply on loopback, days of a market through it and all that may happen, a second plan, destroy.

The vendor's websocket → the producer's process → Kinesis → the functions' processes → DynamoDB, S3, SNS → the views,
which equal an aggregation of the file by polars. Run it by `make e2e`.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from stockstream.analytics import connect
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.generations import head
from stockstream.terraform.packages import spec
from tests.aws.rights import allowed_to
from tests.aws.sandbox import architecture, python
from tests.aws.server import LoopbackAws
from tests.pipeline.live.aggregation import (
    NUMBERS,
    assert_bars_live_equal,
    assert_live_equals,
    bars_live_of,
    handed_over,
    live_of,
    rest_of,
)
from tests.pipeline.live.cloud import announced, kinesis_event, kinesis_record
from tests.pipeline.live.day import SPLIT, MarketDay, batch_bars, market_day, parquet
from tests.pipeline.live.exchange import KEY, Exchange
from tests.pipeline.live.feed import DAY, OPENS, SESSION, frames, seconds
from tests.polygon_vendor import Vendor, ok, refuse, split
from tests.terraform.deployment import Terraform
from tests.terraform.speed import Speed, cut

pytestmark = pytest.mark.e2e

IMAGE = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/stockstream-dev-producer:1"
SUBSCRIPTIONS = [
    {"protocol": "email", "endpoint": "trader@example.org"},
    {"protocol": "sms", "endpoint": "+61400000000", "filter": {"severity": ["critical"]}},
]
SYMBOLS = ["AAA", "BBB"]
NOT_HERE = ("/raw_events/*", "/state/current.json", "/state/lake.json")
"""What is written five minutes after a session, and by the first producer of a lake."""
POISON = [
    b"not JSON",
    b"{",
    b"5",
    b"null",
    b"\xff\x00\xfe",
    b"[[1], {}, 7, null]",
    b"[" * 100_000,
    b'[{"ev":"A","sym":"' + b"X" * 3000 + b'","v":1,"o":1,"h":1,"l":1,"c":1,"s":1795617000000}]',
    b'[{"ev":"A","sym":"AAA","v":1,"o":1,"h":1,"l":1,"c":1,"s":99999999999999999}]',
    b'[{"ev":"A","sym":"AAA","v":1,"o":NaN,"h":1,"l":1,"c":1,"s":1795617000000}]',
    b'[{"ev":"A","sym":"","v":1,"o":1,"h":1,"l":1,"c":1,"s":1795617000000}]',
]
"""Records without an event of the day, as another producer could put them."""


@pytest.fixture(scope="module")
def speed(terraform_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speed]:
    with LoopbackAws(compiled=True) as aws, Vendor() as vendor:
        aws.client("ssm").put_parameter(Name="/stockstream/polygon", Value=KEY, Type="SecureString")
        terraform = Terraform(
            tmp_path_factory.mktemp("checkout"),
            aws.environment,
            architecture=architecture(),
            python_version=python()[1],
            require_tls=False,
            lake_may_be_destroyed=True,
            speed_enabled=True,
            market="US",
            data_source="polygon",
            polygon_api_key_parameter="/stockstream/polygon",
            producer={"source": "polygon"},
            producer_image=IMAGE,
            alert_subscriptions=SUBSCRIPTIONS,
            settings={"STOCKSTREAM_POLYGON_URL": vendor.url, "STOCKSTREAM_POLYGON_CALLS_PER_MINUTE": "100000"},
        )
        terraform.init()
        terraform.apply()
        yield Speed(aws, terraform, vendor)
        assert not aws.missing


@pytest.fixture(autouse=True)
def _local(monkeypatch: pytest.MonkeyPatch, speed: Speed) -> None:
    """Read the lake on loopback in this process."""
    for name, value in speed.aws.environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()


def test_the_second_plan_is_empty(speed: Speed) -> None:
    assert speed.terraform.plan() == {}


def test_the_deployed_functions_fold_and_publish(speed: Speed) -> None:
    """With no right that their roles do not allow, and metrics that the alarms know."""
    lake = speed.lake
    announced(lake, SYMBOLS, source="replay:day.jsonl")
    records = [kinesis_record(number, frame) for number, frame in enumerate(frames(seconds(SYMBOLS, 30), 10))]
    assert speed.invoke("fold_events", kinesis_event(records)) == {"batchItemFailures": []}
    assert speed.invoke("fold_events", kinesis_event(records)) == {"batchItemFailures": []}
    client = speed.aws.client("dynamodb")
    items = client.scan(TableName=speed.live["table"])["Items"]
    assert {(item["symbol"]["S"], item["session"]["S"]) for item in items} == {(name, str(DAY)) for name in SYMBOLS}
    speed.messages(speed.mailbox)
    (published,) = speed.invoke("publish_live", {})["sessions"]
    assert (published["session"], published["symbols"], published["refused"]) == (str(DAY), len(SYMBOLS), None)
    assert published["state"] in lake.store.list(f"live/{DAY}/bars/")
    assert list(lake.store.list("raw_events/arrivals/"))
    alerts = speed.messages(speed.mailbox)
    assert speed.aws.rights.refused == set()
    assert {alert["MessageAttributes"]["symbol"]["Value"] for alert in alerts} == {*SYMBOLS}, published
    assert {"rule", "severity", "symbol"} <= set.intersection(*(set(alert["MessageAttributes"]) for alert in alerts))


def test_every_metric_of_an_alarm_is_one_that_is_logged(speed: Speed) -> None:
    logged = [*speed.metrics("fold_events"), *speed.metrics("publish_live")]
    alarms = speed.aws.client("cloudwatch").describe_alarms(AlarmNamePrefix="stockstream-dev-live-")["MetricAlarms"]
    ours = [
        {
            "Namespace": metric["Namespace"],
            "MetricName": metric["MetricName"],
            "Dimensions": {one["Name"]: one["Value"] for one in metric["Dimensions"]},
        }
        for alarm in alarms
        for query in alarm["Metrics"]
        if (metric := query.get("MetricStat", {}).get("Metric", {})).get("Namespace") == "StockStream"
    ]
    names = {"AlertRuleErrors", "FailedBatches", "SecondsSinceEvent", "SymbolsWithMissed", "UndeliveredAlerts"}
    assert {one["MetricName"] for one in ours} == names
    outside = "SecondsSinceEvent"  # logged in a session only
    assert [one for one in ours if one not in logged and one["MetricName"] != outside] == []
    dimensions = [one["Dimensions"] for one in ours]
    assert dimensions == [{"environment": "dev", "market": "US"}] * len(ours)


def test_the_functions_know_what_was_created(speed: Speed) -> None:
    client = speed.aws.client("lambda")
    expected = {
        "LIVE_STREAM": speed.live["stream"],
        "LIVE_TABLE": speed.live["table"],
        "ALERT_TOPIC_ARN": speed.live["topic_arn"],
    }
    live = set(spec()["live_functions"])
    assert live < set(speed.functions)
    for name, function in speed.functions.items():
        variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        known = expected if name in live else {"ALERT_TOPIC_ARN": expected["ALERT_TOPIC_ARN"]}
        known = known if name in (*live, "send_alerts") else {}
        assert {key: variables[key] for key in expected if key in variables} == known, name
    publish = client.get_function_concurrency(FunctionName=speed.functions["publish_live"])
    assert publish["ReservedConcurrentExecutions"] == 1


def test_the_stream_is_folded_and_what_fails_is_kept(speed: Speed) -> None:
    (mapping,) = speed.aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["FunctionArn"].endswith(f":{speed.functions['fold_events']}")
    assert mapping["EventSourceArn"].endswith(f":stream/{speed.live['stream']}")
    assert (mapping["FunctionResponseTypes"], mapping["BisectBatchOnFunctionError"]) == (
        ["ReportBatchItemFailures"],
        True,
    )
    queue = speed.live["failures_url"].rsplit("/", 1)[1]
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"].endswith(f":{queue}")
    summary = speed.aws.client("kinesis").describe_stream_summary(StreamName=speed.live["stream"])
    assert summary["StreamDescriptionSummary"]["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert summary["StreamDescriptionSummary"]["EncryptionType"] == "KMS"


def test_subscribers_get_what_their_filter_lets_through(speed: Speed) -> None:
    client = speed.aws.client("sns")
    listed = client.list_subscriptions_by_topic(TopicArn=speed.live["topic_arn"])["Subscriptions"]
    people = {(one["Protocol"], one["Endpoint"]) for one in listed if one["Protocol"] != "sqs"}
    assert people == {(one["protocol"], one["endpoint"]) for one in SUBSCRIPTIONS}
    (sms,) = [one["SubscriptionArn"] for one in listed if one["Protocol"] == "sms"]
    attributes = client.get_subscription_attributes(SubscriptionArn=sms)["Attributes"]
    assert json.loads(attributes["FilterPolicy"]) == {"severity": ["critical"]}


def test_no_policy_of_the_speed_layer_allows_everything(speed: Speed) -> None:
    """Actions have no wildcard; a resource may end with one after a folder or a log group. A token has no resource."""
    policies = {
        one["values"]["role"]: json.loads(one["values"]["policy"])["Statement"]
        for one in speed.terraform.resources()
        if one["type"] == "aws_iam_role_policy" and one["address"].startswith("module.speed[0].")
    }
    assert len(policies) == 5, "two functions, the schedules, the producer, and Fargate that starts it"
    for name, statements in policies.items():
        for statement in statements:
            if statement["Sid"] == "Token":
                continue
            for action in statement["Action"]:
                assert re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action), f"{name} may {action}"
            for resource in statement["Resource"]:
                assert re.fullmatch(r"arn:aws:[^*]+[^:*](/|:log-stream:)\*|arn:aws:[^*]+", resource), (
                    f"{name}: {resource}"
                )


def test_a_day_of_500_symbols_equals_an_aggregation_by_polars(speed: Speed, tmp_path: Path) -> None:
    day = begun(speed, market_day(500), tmp_path)
    exchange = Exchange(cut(day.frames, 90, 200), ["close", "close", "stay"])
    with exchange.in_thread(), speed.producing(exchange) as producer:
        speed.wait_for(day, day.frames, producer)
    status = producer.status
    assert (status["missed"], status["connection"]["connections"]) == (0, 3)
    at_producer = ("another day", "malformed event", "malformed frame", "unknown symbol", "unknown type")
    assert status["not_used"] == {reason: day.wrong[reason] for reason in at_producer}
    speed.mapping.drain()
    live = live_of(day, SESSION)
    speed.aws.faults.kills_publisher = True
    with pytest.raises(AssertionError, match="exit status -9"):  # before the alerts are delivered
        speed.publish()
    session = speed.publish()
    assert (session["symbols"], session["missed"]) == (500, pytest.approx(live["missed"].sum()))
    assert_views_equal(speed, day, live)
    assert_raw_events_equal(speed, day)
    assert speed.messages("failures_url") == []
    assert speed.publish()["state"] is None  # nothing is new
    speed.aws.lambdas.forget()
    speed.publish()
    assert sorted(speed.alerts()) == sorted(alerts_of(live))


def test_faults_of_every_part_change_no_bar(speed: Speed, tmp_path: Path) -> None:
    """Two producers, one of which takes the lease of the other; clocks that differ; shards split and merged, refused
    records and poison; functions killed between two writes, a table that is throttled, batches that come again.
    """
    day = begun(speed, market_day(120, seed=17), tmp_path)
    turns = iter([speed.split, lambda: speed.put(*POISON), speed.merge])

    def meanwhile() -> None:
        next(turns, lambda: None)()
        speed.mapping.drain()

    speed.mapping.again, speed.mapping.skew = 0.3, -7200.0
    speed.aws.streams.refuses = lambda key: speed.rng.random() < 0.1
    exchanges = [Exchange(cut(day.frames, at), ["close", "stay"], pause=0.2) for at in (30, 50)]
    with speed.aws.faults.injected(throttled=0.05, deaths=0.006), exchanges[0].in_thread(), exchanges[1].in_thread():
        with speed.producing(exchanges[0]) as one:
            while speed.arrived(day).is_empty():
                time.sleep(0.2)
            speed.lake.store.delete(["live/connections/polygon.json"])  # a pause of the process, and it has expired
            with speed.producing(exchanges[1], at=OPENS + 4_800_000) as other:
                speed.wait_for(day, day.frames, other, meanwhile)
        assert "has the connection to polygon" in one.message
        speed.mapping.drain()
    speed.mapping.again, speed.mapping.skew = 0.0, 0.0
    speed.aws.streams.refuses = lambda key: False
    speed.publish()
    assert_views_equal(speed, day, live_of(day, SESSION))
    assert_raw_events_equal(speed, day)
    counts = {**speed.aws.faults.counts, **speed.mapping.counts, "refused": speed.aws.streams.refused}
    happened = ("killed before a write", "killed after a write", "throttled PutItem", "refused", "delivered again")
    assert all(counts.get(name, 0) > 1 for name in happened), counts


def test_what_is_lost_is_missed_to_the_share_and_repaired(speed: Speed, tmp_path: Path) -> None:
    """A producer is killed, and the next one comes late; the table refuses some items until the events are given up."""
    day = begun(speed, market_day(60, seed=18), tmp_path)
    first, last = day.frames[:20], day.frames[24:]
    before, after = Exchange([first], ["stay"]), Exchange([last], ["stay"])
    with before.in_thread(), after.in_thread():
        with speed.producing(before) as one:
            speed.wait_for(day, first[:10], one)
            one.process.send_signal(signal.SIGKILL)
            one.process.wait()
        with speed.aws.faults.injected(gone=frozenset(day.symbols[:3])):
            speed.mapping.drain()
        with speed.producing(after) as other:
            speed.wait_for(day, last, other)
    speed.mapping.drain()
    given_up = speed.messages("failures_url")
    assert given_up
    left = MarketDay(day.symbols, list(speed.data_without(given_up)), day.closes, day.splits)
    live = live_of(left, SESSION)
    assert (live["missed"] > 0).sum() > 30
    speed.vendor.routes |= dict.fromkeys(rest_of(day, SESSION), lambda _: refuse(500, "try later"))
    assert speed.publish()["missed"] == pytest.approx(live["missed"].sum())
    assert_views_equal(speed, left, live)

    speed.vendor.routes |= {path: [ok(rows)] for path, rows in rest_of(day, SESSION).items()}
    speed.aws.lambdas.forget()  # it would not try again for two minutes
    session = speed.publish()
    assert (session["missed"], session["repairs"]["repaired"]) == (0, (live["missed"] > 0).sum())
    assert_views_equal(speed, day, live_of(day, SESSION, repaired=True), "late")


def test_batch_bars_take_the_place_of_the_live_bars(speed: Speed, tmp_path: Path) -> None:
    """Also that of a symbol with a split on the day: no symbol has a date twice."""
    day = market_day(60, seed=18)
    with connect(speed.uri) as con:
        live = con.execute("SELECT * FROM live ORDER BY symbol").pl()
    prices = ("open", "high", "low", "close")
    rows = batch_bars(
        {
            **dict.fromkeys(prices, 50.0 + number),
            **{"symbol": symbol, "date": DAY, "volume": 10 * number, "split_ratio": day.splits.get(symbol, 1.0)},
        }
        for number, symbol in enumerate(day.symbols)
    )
    for number, batch in enumerate((rows.filter(pl.col("symbol") < day.symbols[30]), rows)):
        key = f"raw-data/{DAY}-batch-{number}.parquet"
        speed.aws.s3.fill(speed.uri, {key: parquet(batch, tmp_path)})
        with connect(speed.uri) as con:
            assert_bars_live_equal(con, handed_over(day, live, batch))
    speed.invoke("refresh", {"now": f"{DAY}T23:00:00+00:00"})
    assert head(speed.lake).generation == 1
    with connect(speed.uri) as con:
        assert_bars_live_equal(con, handed_over(day, live, rows))
        assert con.execute("SELECT count(*) FROM bars_live WHERE is_live").fetchall() == [(0,)]


def test_every_part_may_do_what_it_does_and_no_more(speed: Speed) -> None:
    """The functions and the producer: nothing was refused (tests/aws/rights.py), and each right to change was used."""
    rights = speed.aws.rights
    assert rights.refused == set()
    parts = [speed.functions["fold_events"], speed.functions["publish_live"], speed.producer_role]
    unused = {
        (part, action, resource)
        for part in parts
        for action, resource in allowed_to(part)
        if action.split(":")[1].startswith(("Put", "Delete", "Publish", "Send"))
        and action.split(":")[0] in ("dynamodb", "kinesis", "s3", "sns", "sqs")
        and not (part != speed.functions["fold_events"] and resource.endswith(NOT_HERE))
        and not any((part, action) == one[:2] and fnmatch(one[2], resource) for one in rights.asked)
    }
    assert unused == set()


def test_destroy_leaves_nothing(speed: Speed) -> None:
    speed.aws.client("sqs").delete_queue(QueueUrl=speed.mailbox)
    speed.terraform.destroy()
    assert list(speed.terraform.resources()) == []
    client = speed.aws.client
    clusters = client("ecs").describe_clusters(clusters=client("ecs").list_clusters()["clusterArns"])["clusters"]
    left = {
        "streams": client("kinesis").list_streams()["StreamNames"],
        "tables": client("dynamodb").list_tables()["TableNames"],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "topics": client("sns").list_topics()["Topics"],
        "mappings": client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "functions": client("lambda").list_functions()["Functions"],
        "repositories": client("ecr").describe_repositories()["repositories"],
        "clusters": [one for one in clusters if one["status"] != "INACTIVE"],
        "schedules": client("scheduler").list_schedules()["Schedules"],
        "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
        "log groups": client("logs").describe_log_groups()["logGroups"],
        "roles": [one for one in client("iam").list_roles()["Roles"] if one["RoleName"].startswith("stockstream")],
        "Glue": client("glue").get_databases()["DatabaseList"],
    }
    assert {name: list(things) for name, things in left.items() if things} == {}


def begun(speed: Speed, day: MarketDay, scratch: Path) -> MarketDay:
    """Let the lake and the vendor have what they know before a day; return it."""
    speed.begin(day, scratch)
    ratio = [ok([split(day.symbols[1], SESSION.date, 1, SPLIT)])]  # type: ignore[arg-type]
    speed.vendor.routes = {"/v3/reference/splits": ratio}  # type: ignore[dict-item]
    return day


def assert_raw_events_equal(speed: Speed, day: MarketDay) -> None:
    """Compare the raw events in the lake, each once, with those of the stream, where some are several times."""
    columns = ["sym", *NUMBERS]
    raw, arrived = (events.select(columns).sort(columns) for events in (speed.raw_events(day), speed.arrived(day)))
    assert_frame_equal(raw, arrived.unique(maintain_order=True))


def alerts_of(live: pl.DataFrame) -> list[tuple[str, str]]:
    """Return rule and symbol of the alerts on the live bars of a day, from the rules' own words."""
    gap = 100 * (pl.col("open") / pl.col("previous_close") - 1)
    rules = {"move": pl.col("change_percent").abs() > 5, "gap": gap.abs() > 3}
    alerts = [(rule, symbol) for rule, condition in rules.items() for symbol in live.filter(condition)["symbol"]]
    assert {rule for rule, _ in alerts} == {*rules}
    return alerts


def assert_views_equal(speed: Speed, day: MarketDay, live: pl.DataFrame, *without: str) -> None:
    with connect(speed.uri) as con:
        assert_live_equals(con, live, *without)
        assert_bars_live_equal(con, bars_live_of(day, live))
