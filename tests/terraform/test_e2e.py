"""The deployment as a whole: one apply, then the days of a pipeline in their order, to the end. `make e2e`."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from pipeline.lake import Lake
from pipeline.manifest import Manifest
from pipeline.market import MARKETS
from pipeline.run import run
from pipeline.settings import settings
from pipeline.sources import open_source
from tests.terraform.conftest import Deployment
from tests.terraform.deployment import TerraformError
from tests.yahoo_replay import RATE_LIMITED, Reply, chart

ASX = MARKETS["ASX"]
SYMBOLS = [f"{first}{second}X" for first in "ABCDE" for second in "ABCDEF"]
BATCH = 10
FIRST, LAST = date(2026, 7, 6), date(2026, 8, 28)
LIMIT = 256 * 1024
"""Bytes that Step Functions hands from state to state."""
TOO_LARGE_A_VOLUME = 10**30

pytestmark = pytest.mark.usefixtures("local")


def bars(symbol: str, through: date = LAST) -> list[tuple[Any, ...]]:
    """Make a symbol's bars of every weekday."""
    days = [FIRST + timedelta(n) for n in range((through - FIRST).days + 1) if (FIRST + timedelta(n)).weekday() < 5]
    base = 10 + SYMBOLS.index(symbol) if symbol in SYMBOLS else 10
    return [
        (d, base + n, base + n + 1, base + n - 1, base + n + 0.5, 1000 + n)
        for n, d in enumerate(days)
        if d.weekday() < 5
    ]


def answer(deployment: Deployment, *but: str) -> None:
    """Have Yahoo know all bars of all symbols, but some."""
    for symbol in set(SYMBOLS) - set(but):
        deployment.yahoo.script(f"{symbol}.AX", chart(f"{symbol}.AX", bars(symbol)))


def stored(deployment: Deployment, day: str) -> list[str]:
    """Give the symbols that have a bar of a day, as somebody sees who queries the lake through httpfs."""
    with Lake(deployment.lake).session() as con:
        found = con.execute(f"SELECT symbol FROM bars WHERE date = DATE '{day}' ORDER BY symbol").fetchall()
    return [symbol for (symbol,) in found]


def test_the_second_plan_is_empty(deployment: Deployment) -> None:
    assert deployment.terraform.plan() == {}
    assert deployment.aws.missing == []


def test_without_a_directory_nothing_is_fetched_and_somebody_is_told(deployment: Deployment) -> None:
    """The lake is empty as yet, so there is no list from before either."""
    deployment.exchange.status = 500
    ran = deployment.fire(date="2026-08-07")
    assert ran.status == "FAILED"
    assert ran.entered == ["UpdateSymbols", "Summarise", "IsComplete", "Notify", "IsPartial", "Failed"]
    assert deployment.yahoo.charts() == []
    (mail,) = deployment.mails()
    assert mail["Subject"] == "stockstream dev: ASX 2026-08-07 failed"
    assert "symbols: DirectoryRefused: no believable list of ASX companies" in mail["Message"]
    summary = deployment.object(f"state/runs/2026-08-07/{ran.name}/summary.json")
    assert (summary["status"], summary["rows"]) == ("failed", 0)
    assert len(deployment.aws.waited) == 3, "the directory was asked again three times"


def test_a_run_ends_in_the_lake_that_a_local_run_makes(deployment: Deployment, tmp_path: Path) -> None:
    answer(deployment)
    deployment.exchange.lists(SYMBOLS)
    ran = deployment.fire(date="2026-08-07", batchSize=BATCH)
    assert (ran.status, ran.output["status"], deployment.mails()) == ("SUCCEEDED", "complete", [])
    assert ran.output["symbols"] == len(SYMBOLS)
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
    same = (
        "status",
        "symbols",
        "upToDate",
        "batches",
        "files",
        "rows",
        "firstDate",
        "lastDate",
        "openSession",
        "missing",
    )
    assert {name: summary[name] for name in same} == {name: result[name] for name in same}
    assert summary["directory"] == result["directory"]


def contents(lake: Lake) -> dict[str, Any]:
    """Give what a lake holds: its files' bytes by key, silver's by table and part, whose keys are made up."""
    found: dict[str, Any] = {
        key: lake.store.get(key).data  # type: ignore[union-attr]
        for key in lake.store.list("")
        if not key.startswith(("silver/", "state/manifests/", "state/current", "state/runs/"))
    }
    current = lake.store.get("state/current.json")
    assert current is not None
    for name, table in Manifest.model_validate_json(current.data).tables.items():
        for part in ("base", "delta"):
            found[f"{name} {part}"] = [file.sha256 for file in getattr(table, part)]
        found[f"{name} rest"] = (table.moved, table.through, table.settled, table.sql)
    return found


def test_the_same_day_again_changes_no_data(deployment: Deployment) -> None:
    before = contents(Lake(deployment.lake))
    ran = deployment.fire(date="2026-08-07", batchSize=BATCH)
    assert (ran.status, ran.output["rows"]) == ("SUCCEEDED", 0)
    assert contents(Lake(deployment.lake)) == before


def test_a_poisoned_batch_stops_no_other(deployment: Deployment) -> None:
    poisoned = chart("AAX.AX", [(day, *prices, TOO_LARGE_A_VOLUME) for day, *prices, _ in bars("AAX")])
    deployment.yahoo.script("AAX.AX", poisoned)
    ran = deployment.fire(date="2026-08-10", batchSize=BATCH)
    assert (ran.status, ran.output["status"]) == ("SUCCEEDED", "partial")
    assert ran.entered[-1] == "Partial"
    assert stored(deployment, "2026-08-10") == SYMBOLS[BATCH:]
    (mail,) = deployment.mails()
    assert mail["Subject"] == "stockstream dev: ASX 2026-08-10 partial"
    assert f"{BATCH} of {len(SYMBOLS)} symbols are missing" in mail["Message"]
    assert "ConversionException: " in mail["Message"]
    assert ", ".join(SYMBOLS[:BATCH]) in mail["Message"]
    answer(deployment)


def test_a_rate_limit_inside_a_batch_is_waited_for(deployment: Deployment) -> None:
    deployment.yahoo.script("BBX.AX", RATE_LIMITED, RATE_LIMITED, chart("BBX.AX", bars("BBX")))
    before = len(deployment.invoked("fetch_batch"))
    ran = deployment.fire(date="2026-08-11", batchSize=BATCH)
    assert (ran.status, ran.output["status"], deployment.mails()) == ("SUCCEEDED", "complete", [])
    assert stored(deployment, "2026-08-11") == SYMBOLS
    tries = deployment.invoked("fetch_batch")[before:]
    assert sorted(str(one.error) for one in tries) == ["None", "None", "None", "RateLimited"]
    summary = deployment.object(ran.output["key"])
    assert (summary["batches"], summary["symbols"], summary["upToDate"]) == (3, len(SYMBOLS), 0)
    assert summary["rows"] == len(SYMBOLS) + BATCH, (
        "a bar each, and that of the day before for the batch that was poisoned"
    )


def test_a_timeout_of_one_batch_is_made_up_for_by_the_next_run(deployment: Deployment) -> None:
    deployment.yahoo.script("CCX.AX", Reply(delay=60))
    ran = deployment.fire(date="2026-08-12", batchSize=BATCH)
    assert (ran.status, ran.output["status"]) == ("SUCCEEDED", "partial")
    slow = SYMBOLS[BATCH : 2 * BATCH]
    assert "CCX" in slow
    assert stored(deployment, "2026-08-12") == [symbol for symbol in SYMBOLS if symbol not in slow]
    (mail,) = deployment.mails()
    assert "Sandbox.Timedout" in mail["Message"]
    assert ", ".join(slow) in mail["Message"]
    answer(deployment)
    again = deployment.fire(date="2026-08-12", batchSize=BATCH)
    assert (again.status, again.output["status"], again.output["rows"]) == ("SUCCEEDED", "complete", BATCH)
    assert stored(deployment, "2026-08-12") == SYMBOLS


def test_a_batch_can_be_fetched_by_hand(deployment: Deployment) -> None:
    """Without batch or symbols: all symbols, from the lake's list, in a file without a batch's suffix."""
    told = deployment.aws.client("lambda").invoke(
        FunctionName=deployment.outputs["function_arns"]["fetch_batch"], Payload=json.dumps({"date": "2026-08-13"})
    )
    result = json.loads(told["Payload"].read())
    assert "FunctionError" not in told, result
    assert (result["key"], result["rows"], result["missing"]) == ("raw-data/2026-08-13.parquet", len(SYMBOLS), 0)
    assert stored(deployment, "2026-08-13") == SYMBOLS


def test_the_same_batch_twice_at_once_stores_every_bar_once(deployment: Deployment) -> None:
    event = {"date": "2026-08-14", "batchNumber": 0, "symbols": SYMBOLS[:BATCH]}
    client = deployment.aws.client("lambda")

    def fetch(_: int) -> int:
        told = client.invoke(FunctionName=deployment.outputs["function_arns"]["fetch_batch"], Payload=json.dumps(event))
        return int(json.loads(told["Payload"].read())["rows"])

    with ThreadPoolExecutor() as pool:
        assert sum(pool.map(fetch, range(3))) == BATCH
    assert fetch(0) == 0


def test_payloads_stay_small_with_5000_symbols_that_all_fail(deployment: Deployment) -> None:
    """The largest that is handed on: what every one of 50 batches failed of."""
    many = [f"{n:04d}" for n in range(5000)]
    assert len(set(many)) == 5000
    for symbol in many[::100]:
        deployment.yahoo.script(f"{symbol}.AX", chart(f"{symbol}.AX", [(FIRST, 1, 1, 1, 1, TOO_LARGE_A_VOLUME)]))
    deployment.exchange.lists(many)
    ran = deployment.fire(date="2026-08-17")
    assert ran.output == {} or ran.output["status"] == "failed"
    assert ran.status == "FAILED"
    (mail,) = deployment.mails()
    assert "5000 of 5000 symbols are missing" in mail["Message"]
    assert max(ran.payloads) < LIMIT
    print(f"largest payload with 5,000 symbols: {max(ran.payloads) / 1024:.0f} of {LIMIT // 1024} KB")


def test_the_schedule_is_the_exchanges_morning(deployment: Deployment) -> None:
    schedule = deployment.schedule
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"], schedule["State"]) == (
        "cron(0 6 * * ? *)",
        "Australia/Sydney",
        "ENABLED",
    )


def test_a_change_of_one_function_is_a_plan_of_that_function(deployment: Deployment) -> None:
    """Its code, and the build of the packages, as one of them is another."""
    handler = deployment.terraform.root / "pipeline/handlers/resample.py"
    before = handler.read_text()
    handler.write_text(before + "\n# changed\n")
    changes = deployment.terraform.plan()
    handler.write_text(before)
    build = "module.functions.terraform_data.packages"
    assert changes == {
        "update": ['module.functions.aws_lambda_function.this["resample"]'],
        "delete": [build],
        "create": [build],
    }


def test_destroy_leaves_the_lake_until_it_is_told_not_to(deployment: Deployment) -> None:
    deployment.close_mailbox()
    with pytest.raises(TerraformError, match="BucketNotEmpty"):
        deployment.terraform.destroy()
    assert [one["address"] for one in deployment.terraform.resources()] == ["module.lake.aws_s3_bucket.lake"]
    assert stored(deployment, "2026-08-07") == SYMBOLS

    deployment.terraform.variables["lake_may_be_destroyed"] = True
    deployment.terraform.apply("-target=module.lake.aws_s3_bucket.lake")
    deployment.terraform.destroy()
    assert list(deployment.terraform.resources()) == []
    assert left_over(deployment) == {}


def left_over(deployment: Deployment) -> dict[str, list[str]]:
    """Ask AWS itself what there still is, by service."""
    client = deployment.aws.client
    found = {
        "buckets": [one["Name"] for one in client("s3").list_buckets()["Buckets"] if "stockstream" in one["Name"]],
        "functions": client("lambda").list_functions()["Functions"],
        "layers": client("lambda").list_layers()["Layers"],
        "state machines": client("stepfunctions").list_state_machines()["stateMachines"],
        "schedules": client("scheduler").list_schedules()["Schedules"],
        "topics": client("sns").list_topics()["Topics"],
        "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": client("cloudwatch").list_dashboards()["DashboardEntries"],
        "log groups": client("logs").describe_log_groups()["logGroups"],
        "roles": [one for one in client("iam").list_roles()["Roles"] if one["RoleName"].startswith("stockstream")],
        "Glue": client("glue").get_databases()["DatabaseList"],
    }
    return {name: list(things) for name, things in found.items() if things}
