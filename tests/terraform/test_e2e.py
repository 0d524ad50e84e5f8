"""The deployment as a whole: one apply, then the days of a pipeline in order, then destroy. Run it by `make e2e`."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ClientError

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.events import Summary
from stockstream.pipeline.generations import generation, head, history, numbers
from stockstream.pipeline.lake import CURRENT, MARKER, SESSIONS, Lake, manifest_key
from stockstream.pipeline.manifest import Change, Manifest
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.publishing import publish
from stockstream.pipeline.repair import repair_lake
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source
from stockstream.terraform.packages import spec
from tests.aws.lambdas import Invoked
from tests.aws.rights import allowed_to
from tests.aws.sandbox import Function
from tests.terraform.conftest import Deployment
from tests.terraform.deployment import TerraformError
from tests.terraform.evidence import contents, left_over, of_bars, output_of_duckdb, policies, stored
from tests.yahoo_replay import RATE_LIMITED, Reply, chart

ASX = MARKETS["ASX"]
SYMBOLS = [f"{first}{second}X" for first in "ABCDE" for second in "ABCDEF"]
BATCH = 10
FIRST, LAST = date(2026, 7, 6), date(2026, 8, 28)
LIMIT = 256 * 1024
"""Maximum bytes that Step Functions passes from state to state."""

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("local")]


def bars(symbol: str, through: date = LAST) -> list[tuple[Any, ...]]:
    """Return bars of a symbol for every weekday."""
    days = [FIRST + timedelta(n) for n in range((through - FIRST).days + 1) if (FIRST + timedelta(n)).weekday() < 5]
    base = 10 + SYMBOLS.index(symbol) if symbol in SYMBOLS else 10
    return [
        (d, base + n, base + n + 1, base + n - 1, base + n + 0.5, 1000 + n)
        for n, d in enumerate(days)
        if d.weekday() < 5
    ]


def answer_all(deployment: Deployment) -> None:
    for symbol in SYMBOLS:
        deployment.yahoo.script(f"{symbol}.AX", chart(f"{symbol}.AX", bars(symbol)))


@pytest.fixture(autouse=True)
def _ordinary_day(deployment: Deployment) -> None:
    """Let the exchange list all symbols and Yahoo have all their bars; empty the mailbox."""
    answer_all(deployment)
    deployment.exchange.lists(SYMBOLS)
    deployment.mails()


def test_the_second_plan_is_empty(deployment: Deployment) -> None:
    assert deployment.terraform.plan() == {}
    assert deployment.aws.missing == []


def test_without_a_list_of_companies_nothing_is_fetched_and_a_message_is_sent(deployment: Deployment) -> None:
    """The lake is still empty, so there is no earlier list either."""
    deployment.exchange.status = 500
    ran = deployment.fire(date="2026-08-07")
    assert ran.status == "FAILED"
    assert ran.entered == ["UpdateSymbols", "Summarise", "IsComplete", "Notify", "IsPartial", "Failed"]
    assert deployment.yahoo.charts() == []
    (mail,) = deployment.mails()
    assert mail["Subject"] == "stockstream dev: ASX 2026-08-07 failed"
    assert "symbols: ListingsRefused: no believable list of ASX companies" in mail["Message"]
    summary = deployment.object(f"state/runs/2026-08-07/{ran.name}/summary.json")
    assert (summary["status"], summary["rows"]) == ("failed", 0)
    assert len(deployment.aws.waited) == 3, "the list was requested again three times"


def test_a_run_results_in_the_same_lake_as_a_local_run(deployment: Deployment, tmp_path: Path) -> None:
    ran = deployment.fire(date="2026-08-07", batch_size=BATCH)
    assert (ran.status, ran.output["status"], deployment.mails()) == ("SUCCEEDED", "complete", [])
    assert ran.output["symbols"] == len(SYMBOLS)
    assert [(one.generation, one.step) for one in history(Lake(deployment.lake))] == [(1, "run")]
    assert stored(deployment, "2026-08-07") == SYMBOLS

    folder = tmp_path / "lake"
    with time_machine.travel(datetime.fromisoformat(ran.started), tick=True):
        result = run(
            Lake(str(folder)), open_source("yahoo", ASX, settings()), ASX, day=date(2026, 8, 7), batch_size=BATCH
        )
    assert result["status"] == "complete"
    ours, theirs = contents(Lake(str(folder))), contents(Lake(deployment.lake))
    assert ours.keys() == theirs.keys()
    assert {key for key in ours if ours[key] != theirs[key]} == set()
    summary = deployment.object(ran.output["key"])
    same = Summary.__annotations__.keys() - {"lake"} | {"check"}
    assert {name: summary[name] for name in same} == {name: result[name] for name in same}
    assert summary["notes"] == [
        "the day of this run is 2026-08-07: later bars are not fetched, and those in the lake stay"
    ]


def test_the_same_day_again_changes_no_data(deployment: Deployment) -> None:
    before = contents(Lake(deployment.lake))
    ran = deployment.fire(date="2026-08-07", batch_size=BATCH)
    assert (ran.status, ran.output["rows"]) == ("SUCCEEDED", 0)
    assert contents(Lake(deployment.lake)) == before


def test_a_value_that_cannot_be_read_stops_nothing_and_is_reported(deployment: Deployment) -> None:
    no_number: Any = "none"
    deployment.yahoo.script("AAX.AX", chart("AAX.AX", bars("AAX"), dividends={date(2026, 8, 10): no_number}))
    ran = deployment.fire(date="2026-08-10", batch_size=BATCH)
    assert (ran.status, ran.output["status"]) == ("SUCCEEDED", "partial")
    assert ran.entered[-1] == "Partial"
    assert stored(deployment, "2026-08-10") == SYMBOLS
    (mail,) = deployment.mails()
    assert mail["Subject"] == "stockstream dev: ASX 2026-08-10 partial"
    assert f"0 of {len(SYMBOLS)} symbols are missing" in mail["Message"]
    assert "no dividend that can be read" in mail["Message"]
    assert "the first: AAX 2026-08-10 'none'" in mail["Message"]


def test_a_batch_is_retried_after_a_rate_limit(deployment: Deployment) -> None:
    deployment.yahoo.script("BBX.AX", RATE_LIMITED, RATE_LIMITED, chart("BBX.AX", bars("BBX")))
    before = len(deployment.invoked("fetch_batch"))
    ran = deployment.fire(date="2026-08-11", batch_size=BATCH)
    assert (ran.status, ran.output["status"], deployment.mails()) == ("SUCCEEDED", "complete", [])
    assert stored(deployment, "2026-08-11") == SYMBOLS
    tries = deployment.invoked("fetch_batch")[before:]
    assert sorted(str(one.error) for one in tries) == ["None", "None", "None", "RateLimited"]
    summary = deployment.object(ran.output["key"])
    assert (summary["batches"], summary["symbols"], summary["up_to_date"]) == (3, len(SYMBOLS), 0)
    assert summary["rows"] == len(SYMBOLS) + 1, "one bar each, and that of the day before without the unread dividend"


def test_the_next_run_fetches_a_batch_that_timed_out(deployment: Deployment) -> None:
    deployment.yahoo.script("CCX.AX", Reply(delay=60))
    with deployment.configured("fetch_batch", Timeout=6):
        ran = deployment.fire(date="2026-08-12", batch_size=BATCH)
    assert (ran.status, ran.output["status"]) == ("SUCCEEDED", "partial")
    slow = SYMBOLS[BATCH : 2 * BATCH]
    assert "CCX" in slow
    assert stored(deployment, "2026-08-12") == [symbol for symbol in SYMBOLS if symbol not in slow]
    (mail,) = deployment.mails()
    assert "Sandbox.Timedout" in mail["Message"]
    assert ", ".join(slow) in mail["Message"]
    answer_all(deployment)
    again = deployment.fire(date="2026-08-12", batch_size=BATCH)
    assert (again.status, again.output["status"], again.output["rows"]) == ("SUCCEEDED", "complete", BATCH)
    assert stored(deployment, "2026-08-12") == SYMBOLS


def test_if_refresh_dies_the_bars_alone_are_published(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a timeout, as all tables are too much for it; the next run computes the others."""
    lambdas = deployment.aws.lambdas
    invoke = lambdas.invoke

    def invoke_briefly(function: Function, event: bytes) -> Invoked:
        is_whole = function.name.endswith("-refresh") and "only" not in json.loads(event)
        return invoke(replace(function, timeout=1.0) if is_whole else function, event)

    before = head(Lake(deployment.lake))
    with monkeypatch.context() as patched:
        patched.setattr(lambdas, "invoke", invoke_briefly)
        ran = deployment.fire(date="2026-08-13", batch_size=BATCH)
    assert ran.status == "FAILED"
    assert [state for state in ran.entered if "Refresh" in state or state == "Check"] == [
        "Refresh", "RefreshBars", "Check",
    ]  # fmt: skip
    assert stored(deployment, "2026-08-13") == SYMBOLS
    newest = head(Lake(deployment.lake))
    written = {name for name, table in newest.tables.items() if table.generation == newest.generation}
    assert (newest.generation, written) == (before.generation + 1, {"bars"})
    (mail,) = deployment.mails()
    assert "refresh: Sandbox.Timedout: " in mail["Message"]
    assert "Older than the bars: bars_13d, bars_21d, " in mail["Message"]
    summary = deployment.object(f"state/runs/2026-08-13/{ran.name}/summary.json")
    assert (summary["status"], summary["generation"]) == ("failed", newest.generation)
    assert {"indicators", "metadata"} <= set(summary["stale"])

    again = deployment.fire(date="2026-08-13", batch_size=BATCH)
    assert (again.status, deployment.object(again.output["key"])["stale"]) == ("SUCCEEDED", [])
    assert head(Lake(deployment.lake)).generation == newest.generation + 1


def test_a_batch_can_be_fetched_by_hand(deployment: Deployment) -> None:
    """Without batch or symbols: all symbols of the lake's list, in a file without a batch suffix."""
    response = deployment.aws.client("lambda").invoke(
        FunctionName=deployment.outputs["function_arns"]["fetch_batch"], Payload=json.dumps({"date": "2026-08-14"})
    )
    result = json.loads(response["Payload"].read())
    assert "FunctionError" not in response, result
    assert (result["key"], result["rows"], result["missing"]) == ("raw-data/2026-08-14.parquet", len(SYMBOLS), 0)
    assert stored(deployment, "2026-08-14") == SYMBOLS


def test_the_same_batch_twice_at_once_stores_every_bar_once(deployment: Deployment) -> None:
    event = {"date": "2026-08-17", "batchNumber": 0, "symbols": SYMBOLS[:BATCH]}
    client, function = deployment.aws.client("lambda"), deployment.outputs["function_arns"]["fetch_batch"]

    def fetch(_: int) -> int:
        response = client.invoke(FunctionName=function, Payload=json.dumps(event))
        return int(json.loads(response["Payload"].read())["rows"])

    with ThreadPoolExecutor() as pool:
        assert sum(pool.map(fetch, range(3))) == BATCH
    assert fetch(0) == 0


def test_old_generations_are_deleted_by_a_function_of_its_own(deployment: Deployment) -> None:
    """A week after they were replaced, and nothing that a source has delivered."""
    client, lake = deployment.aws.client("lambda"), Lake(deployment.lake)

    def vacuum() -> dict[str, Any]:
        response = client.invoke(FunctionName=deployment.outputs["function_arns"]["vacuum"], Payload=b"{}")
        result: dict[str, Any] = json.loads(response["Payload"].read())
        assert "FunctionError" not in response, result
        return result

    before = set(lake.store.list(""))
    assert (vacuum()["manifests"], set(lake.store.list(""))) == ([], before)
    deployment.aws.s3.age(deployment.lake, days=8)
    result = vacuum()
    gone = before - set(lake.store.list(""))
    assert len(result["manifests"]) > 3
    assert {"/".join(key.split("/")[:2]) for key in gone} > {"silver/bars", "state/manifests"}
    assert {key.split("/")[0] for key in gone} == {"silver", "state"}
    assert {key.split("/")[1] for key in gone if key.startswith("state")} <= {"manifests", "checks"}
    kept = [generation(lake, number) for number in numbers(lake)]
    named = {file.key for manifest in kept for table in manifest.tables.values() for file in table.files}
    assert named <= set(lake.store.list("silver/"))
    assert stored(deployment, "2026-08-07") == SYMBOLS
    pointer = deployment.object(CURRENT)
    lake.store.delete([CURRENT])
    assert vacuum()["manifests"] == []
    assert deployment.object(CURRENT)["generation"] == pointer["generation"], "it reads what the pointer needs"
    ran = deployment.fire(date="2026-08-14", batch_size=BATCH)
    assert (ran.status, ran.output["status"]) == ("SUCCEEDED", "complete")


def test_the_functions_read_a_lake_whose_pointer_is_damaged(deployment: Deployment) -> None:
    """They may read the manifests, too, and refresh mends the pointer."""
    pointer = deployment.object(CURRENT)
    events = {
        "fetch_batch": {"date": "2026-08-14", "symbols": SYMBOLS, "batchNumber": 7},
        "check": {},
        "refresh": {},
    }
    deployment.aws.s3.fill(deployment.lake, {CURRENT: b"{}"})
    for name, event in events.items():
        response = deployment.aws.client("lambda").invoke(
            FunctionName=deployment.outputs["function_arns"][name], Payload=json.dumps(event)
        )
        assert "FunctionError" not in response, response["Payload"].read()
    assert deployment.object(CURRENT)["generation"] == pointer["generation"]


def test_old_generations_are_deleted_on_sunday_night(deployment: Deployment) -> None:
    schedule = deployment.aws.client("scheduler").get_schedule(Name="stockstream-dev-vacuum")
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"], schedule["State"]) == (
        "cron(0 3 ? * SUN *)",
        "Australia/Sydney",
        "ENABLED",
    )
    assert schedule["Target"]["Arn"] == deployment.outputs["function_arns"]["vacuum"]


@pytest.mark.parametrize(
    ("key", "condition", "status"),
    [
        ("raw-data/2026-08-07-batch-0.parquet", {}, 403),
        ("raw-data/2026-08-07-batch-0.parquet", {"IfMatch": "*"}, 403),
        ("raw-data/2026-08-07-batch-0.parquet", {"IfNoneMatch": "*"}, 412),
        ("raw-data/2026-08-07-batch-99.parquet", {}, 403),
        ("silver/bars/new.parquet", {}, 403),
        ("silver/bars/new.parquet", {"IfMatch": "*"}, 403),
        ("state/manifests/999999.json", {}, 403),
        ("state/current.json", {}, 403),
        ("state/current.json", {"IfMatch": "another"}, 412),
        ("state/sessions.parquet", {}, 403),
        ("symbols/2026-08-07-symbols.csv", {}, 403),
        ("quarantine/2026-08-07-batch-0.parquet", {}, 403),
        ("athena-results/any.csv", {}, 200),
    ],
)
def test_the_bucket_refuses_to_replace_what_its_writer_has_not_read(
    key: str, condition: dict[str, str], status: int, deployment: Deployment
) -> None:
    client, bucket = deployment.aws.client("s3"), deployment.outputs["bucket"]
    try:
        answer = client.put_object(Bucket=bucket, Key=key, Body=b"any", **condition)
    except ClientError as error:
        answer = error.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status


def test_what_an_execution_fails_for_is_logged(deployment: Deployment) -> None:
    machine = deployment.aws.client("stepfunctions").describe_state_machine(
        stateMachineArn=deployment.outputs["state_machine_arn"]
    )
    logging = machine["loggingConfiguration"]
    assert (logging["level"], logging["includeExecutionData"]) == ("ERROR", True)
    (destination,) = logging["destinations"]
    arn = destination["cloudWatchLogsLogGroup"]["logGroupArn"]
    groups = deployment.aws.client("logs").describe_log_groups(logGroupNamePrefix="/aws/vendedlogs/")["logGroups"]
    assert [arn] == [f"{group['arn'].removesuffix(':*')}:*" for group in groups]


def test_the_topic_is_encrypted_and_only_the_deployment_publishes_to_it(deployment: Deployment) -> None:
    topic = deployment.aws.client("sns").get_topic_attributes(TopicArn=deployment.outputs["topic_arn"])["Attributes"]
    key = deployment.aws.client("kms").describe_key(KeyId=topic["KmsMasterKeyId"])["KeyMetadata"]
    assert (key["Arn"], key["KeyManager"], key["Enabled"]) == (topic["KmsMasterKeyId"], "CUSTOMER", True)
    statements = json.loads(topic["Policy"])["Statement"]
    assert [one["Sid"] for one in statements] == ["StateMachine", "Alarms", "NoOtherRole", "TlsOnly"]
    alarms = deployment.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    allowed = statements[1]["Condition"]["ArnLike"]["aws:SourceArn"]
    assert alarms
    for alarm in alarms:
        assert fnmatch(alarm["AlarmArn"], allowed), alarm["AlarmArn"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"batchSize": -5}, "input.batchSize cannot be -5"), ({"date": "../../pwn"}, "input.date cannot be '../../pwn'")],
)
def test_an_execution_of_a_wrong_input_says_so_and_fetches_nothing(
    options: dict[str, Any], reason: str, deployment: Deployment
) -> None:
    before, requests = contents(Lake(deployment.lake)), len(deployment.yahoo.charts())
    ran = deployment.fire(**options)
    assert (ran.status, ran.entered[:2]) == ("FAILED", ["UpdateSymbols", "Summarise"])
    assert len(deployment.yahoo.charts()) == requests
    (mail,) = deployment.mails()
    assert f"symbols: UsageError: the event's {reason}" in mail["Message"]
    assert contents(Lake(deployment.lake)) == before


def test_payloads_stay_small_with_5000_symbols_that_all_fail(deployment: Deployment) -> None:
    """The largest payload: the errors of all 50 batches."""
    many = [f"{n:04d}" for n in range(5000)]
    deployment.exchange.lists(many)
    with deployment.configured("fetch_batch", Environment={"STOCKSTREAM_SOURCE": "no source has so long a name" * 20}):
        ran = deployment.fire(date="2026-08-18")
    assert (ran.status, ran.entered.count("FetchBatch")) == ("FAILED", 50)
    (mail,) = deployment.mails()
    assert "5000 of 5000 symbols are missing" in mail["Message"]
    assert "UsageError: no source" in mail["Message"]
    assert max(ran.payloads) < LIMIT
    print(f"largest payload with 5,000 symbols: {max(ran.payloads) / 1024:.0f} of {LIMIT // 1024} KB")


def test_the_schedule_is_the_exchanges_morning(deployment: Deployment) -> None:
    schedule = deployment.schedule
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"], schedule["State"]) == (
        "cron(0 6 * * ? *)",
        "Australia/Sydney",
        "ENABLED",
    )


def test_no_policy_allows_everything(deployment: Deployment) -> None:
    """Actions have no wildcard; a resource may end with one after a folder or a log group.

    Only the delivery of the state machine's log has no resource that can be named.
    """
    by_role = policies(deployment)
    assert len(by_role) == len(spec()["functions"]) + 4, "functions, state machine, two schedules, readers"
    for name, statements in by_role.items():
        for statement in statements:
            assert statement["Effect"] == "Allow"
            for action in statement["Action"]:
                assert re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action), f"{name} may {action}"
            if (name, statement["Sid"]) == ("stockstream-dev-pipeline", "Log"):
                assert statement["Resource"] == ["*"]
                continue
            for resource in statement["Resource"]:
                assert re.fullmatch(r"arn:aws:[^*]+[^:*](/|:log-stream:|/silver/bars_)\*|arn:aws:[^*]+", resource), (
                    f"{name}: {resource}"
                )


def test_a_batch_without_news_tells_readers_which_values_it_could_not_read(deployment: Deployment) -> None:
    """The pointer has the names of the files in quarantine/, and no generation follows that would write it."""
    before = set(deployment.object(CURRENT)["readers"]["quarantine"])
    no_number: Any = "none"
    deployment.yahoo.script("AAX.AX", chart("AAX.AX", bars("AAX"), dividends={date(2026, 8, 6): no_number}))
    event = {"date": "2026-08-10", "batchNumber": 9, "symbols": ["AAX"], "start": "2026-08-05", "end": "2026-08-07"}
    response = deployment.aws.client("lambda").invoke(
        FunctionName=deployment.outputs["function_arns"]["fetch_batch"], Payload=json.dumps(event)
    )
    result = json.loads(response["Payload"].read())
    assert (result["key"], result["quarantined"]) == (None, 1), result
    assert set(deployment.object(CURRENT)["readers"]["quarantine"]) - before == {"2026-08-10-batch-9.parquet"}


def test_every_function_may_do_what_it_does_and_no_more(deployment: Deployment) -> None:
    """S3 refuses here what the function's role does not allow (tests/aws/rights.py): that never happened.

    And each right of each role was used.
    """
    rights = deployment.aws.rights
    assert rights.refused == set()
    functions = [arn.rsplit(":", 1)[1] for arn in deployment.outputs["function_arns"].values()]
    assert {function for function, _, _ in rights.asked} == {*functions}
    unused = {
        (function, action, resource)
        for function in functions
        for action, resource in allowed_to(function)
        if action.startswith("s3:")
        and not any((function, action) == one[:2] and fnmatch(one[2], resource) for one in rights.asked)
    }
    assert unused == set()


@pytest.mark.parametrize("prefix", ["raw-data/", "quarantine/", "raw-metadata/", "symbols/", "state/runs/", "state/"])
def test_vacuum_may_delete_nothing_that_a_source_has_delivered(prefix: str, deployment: Deployment) -> None:
    """Nor what says which generation is the newest; whatever its code would ask for."""
    lake, function = Lake(deployment.lake), deployment.outputs["function_arns"]["vacuum"].rsplit(":", 1)[1]
    elsewhere = ("state/manifests/", "state/checks/")
    keys = [key for key in lake.store.list(prefix) if not key.startswith(elsewhere)]
    assert keys
    client = deployment.aws.client("s3", key=function)
    answer = client.delete_objects(Bucket=deployment.outputs["bucket"], Delete={"Objects": [{"Key": k} for k in keys]})
    assert {(one["Key"], one["Code"]) for one in answer["Errors"]} == {(key, "AccessDenied") for key in keys}
    assert keys == [key for key in lake.store.list(prefix) if not key.startswith(elsewhere)]


def test_an_operator_repairs_the_lake_under_the_policy_of_its_bucket(deployment: Deployment) -> None:
    """Which refuses every put that could replace what its writer has not read."""
    lake = Lake(deployment.lake)
    before, newest = of_bars(lake), head(lake)
    oldest = manifest_key(min(numbers(lake)))
    keys = [
        "raw-data/2026-08-07-batch-0.parquet", newest.table("bars").delta[0].key, newest.table("metadata").base[0].key,
        newest.table("indicators").delta[0].key, CURRENT, oldest, SESSIONS, MARKER,
        "symbols/2026-08-07-symbols.csv", next(iter(lake.store.list("quarantine/"))),
        next(iter(lake.store.list("state/checks/"))), next(iter(lake.store.list("state/runs/"))),
    ]  # fmt: skip
    deployment.aws.s3.fill(deployment.lake, dict.fromkeys(keys, b"{"))
    result = repair_lake(lake, apply=True, market=ASX)
    assert {finding["object"] for finding in result["findings"]} >= {*keys}
    assert all(finding["repaired"] for finding in result["findings"]), result
    assert (again := repair_lake(lake, market=ASX))["exit"] == 0, again
    assert of_bars(lake) == before
    ran = deployment.fire(date="2026-08-14", batch_size=BATCH)
    assert (ran.status, ran.output["status"]) == ("SUCCEEDED", "complete")


def test_a_run_whose_consolidation_leaves_out_a_damaged_file_says_so(deployment: Deployment) -> None:
    """When the rules for bars are new, all batch files are read again."""
    lake = Lake(deployment.lake)

    def judged_by_older_rules(before: Manifest) -> tuple[Change, None]:
        bars = before.table("bars")
        return Change(tables={"bars": bars.model_copy(update={"sql": {**bars.sql, "rules": "older"}})}), None

    publish(lake, "test", judged_by_older_rules)
    key = "raw-data/2026-08-11-batch-0.parquet"
    whole = lake.store.get(key)
    assert whole is not None
    deployment.aws.s3.fill(deployment.lake, {key: b"PAR1"})
    ran = deployment.fire(date="2026-08-14", batch_size=BATCH)
    (mail,) = deployment.mails()
    assert f"- {lake.store.uri(key)}: " in mail["Message"].partition("Damaged files were left out.")[2]
    assert ran.status == "FAILED", "of the checks, which read the file"
    assert stored(deployment, "2026-08-11") == SYMBOLS, "silver has its bars"
    deployment.aws.s3.fill(deployment.lake, {key: whole.data})
    again = deployment.fire(date="2026-08-14", batch_size=BATCH)
    assert (again.status, again.output["status"]) == ("SUCCEEDED", "complete")


def test_the_alarm_has_the_namespace_and_dimensions_of_the_metric(deployment: Deployment) -> None:
    alarms = deployment.aws.client("cloudwatch").describe_alarms(AlarmNames=["stockstream-dev-missing-symbols"])
    (alarm,) = alarms["MetricAlarms"]
    logged = [
        json.loads(line) for one in deployment.invoked("summarise") for line in one.log.splitlines() if "_aws" in line
    ]
    (metrics,) = logged[-1]["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == alarm["Namespace"]
    assert alarm["MetricName"] in [metric["Name"] for metric in metrics["Metrics"]]
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    assert [sorted(dimensions)] == [sorted(names) for names in metrics["Dimensions"]]
    assert {name: logged[-1][name] for name in dimensions} == dimensions


def test_logs_are_json_with_the_run(deployment: Deployment) -> None:
    lines = [line for one in deployment.invoked("fetch_batch") for line in one.log.splitlines() if '"level"' in line]
    assert lines
    for line in lines:
        logged = json.loads(line)
        assert {"level", "message", "timestamp", "function_name", "function_request_id"} <= logged.keys()
    assert any(json.loads(line).get("correlation_id") for line in lines)


def test_the_duckdb_command_opens_the_lake(deployment: Deployment, tmp_path: Path) -> None:
    lines = output_of_duckdb(deployment, "SELECT count(DISTINCT symbol) AS symbols FROM bars", tmp_path)
    assert lines[-2:] == ["symbols", str(len(SYMBOLS))]


@pytest.mark.parametrize(("module", "function"), [("steps/resample", "refresh"), ("handlers/summarise", "summarise")])
def test_a_change_of_one_function_replaces_that_function_only(
    module: str, function: str, deployment: Deployment
) -> None:
    """The plan has the function and the build of the packages, as one package is new."""
    handler = deployment.terraform.root / f"pipeline/{module}.py"
    before = handler.read_text()
    handler.write_text(before + "\n# changed\n")
    changes = deployment.terraform.plan()
    handler.write_text(before)
    assert changes == {
        "update": [f'module.functions.aws_lambda_function.this["{function}"]'],
        "replace": ["module.functions.terraform_data.packages"],
    }


def test_destroy_keeps_the_lake_until_a_variable_allows_its_deletion(deployment: Deployment) -> None:
    with pytest.raises(TerraformError, match="BucketNotEmpty"):
        deployment.terraform.destroy()
    assert [one["address"] for one in deployment.terraform.resources()] == ["module.lake.aws_s3_bucket.lake"]
    assert stored(deployment, "2026-08-07") == SYMBOLS

    deployment.terraform.variables["lake_may_be_destroyed"] = True
    deployment.terraform.apply("-target=module.lake.aws_s3_bucket.lake")
    deployment.terraform.destroy()
    assert list(deployment.terraform.resources()) == []
    assert left_over(deployment) == {}
