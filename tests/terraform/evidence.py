"""What a deployment has stored and created, as its tests ask for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from stockstream.pipeline.lake import CURRENT, MARKER, SESSIONS, Lake
from stockstream.pipeline.manifest import Manifest
from stockstream.sql.session import extension
from tests.terraform.conftest import Deployment


def stored(deployment: Deployment, day: str) -> list[str]:
    """Return the symbols that have a bar of a day, from a query of the lake through httpfs."""
    with Lake(deployment.lake).session() as con:
        rows = con.execute(f"SELECT symbol FROM bars WHERE date = DATE '{day}' ORDER BY symbol").fetchall()
    return [symbol for (symbol,) in rows]


def of_bars(lake: Lake) -> list[tuple[Any, ...]]:
    """Return all bars of a lake."""
    with lake.session() as con:
        return con.execute("FROM bars ORDER BY ALL").fetchall()


def contents(lake: Lake) -> dict[str, Any]:
    """Return the contents of a lake: bytes by key; checksums by table and part for silver, whose keys are random."""
    objects: dict[str, Any] = {
        key: lake.store.get(key).data  # type: ignore[union-attr]
        for key in lake.store.list("")
        if not key.startswith(("silver/", "state/")) or key in (MARKER, SESSIONS)
    }
    current = lake.store.get(CURRENT)
    assert current is not None
    for name, table in Manifest.model_validate_json(current.data).tables.items():
        for part in ("base", "delta"):
            objects[f"{name} {part}"] = [file.sha256 for file in getattr(table, part)]
        objects[f"{name} rest"] = (table.restated, table.through, table.stable_through, table.sql)
    return objects


def policies(deployment: Deployment) -> dict[str, list[dict[str, Any]]]:
    """Return the statements of every role's policy, by role."""
    return {
        one["values"]["role"]: json.loads(one["values"]["policy"])["Statement"]
        for one in deployment.terraform.resources()
        if one["type"] == "aws_iam_role_policy"
    }


def left_over(deployment: Deployment) -> dict[str, list[str]]:
    """Return what AWS still has, by service."""
    client = deployment.aws.client
    things = {
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
        "keys": [
            key["KeyId"]
            for key in client("kms").list_keys()["Keys"]
            if client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Enabled"]
        ],
        "Glue": client("glue").get_databases()["DatabaseList"],
    }
    return {name: list(items) for name, items in things.items() if items}


def output_of_duckdb(deployment: Deployment, query: str, home: Path) -> list[str]:
    """Run the output `duckdb_command` as it is, in a shell, with a plain duckdb whose extensions are in `home`."""
    installed = home / f".duckdb/extensions/v{duckdb.__version__}" / duckdb.sql("PRAGMA platform").fetchall()[0][0]
    installed.mkdir(parents=True)
    for name in ("httpfs", "aws"):
        (installed / f"{name}.duckdb_extension").symlink_to(extension(name))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.run(
        deployment.outputs["duckdb_command"] + f' -csv -c "{query}"',
        shell=True,
        cwd=deployment.terraform.root,
        env={**deployment.aws.environment, "PATH": path, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()
