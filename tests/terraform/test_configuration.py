"""The configuration by itself: form, validity, Terraform's own tests, and what it lets the functions do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.pipeline.runner import PUBLISHING
from stockstream.terraform.packages import spec
from tests.terraform.deployment import ROOT, Terraform

WORKFLOW = json.loads((ROOT / "terraform/workflow.asl.json").read_text())
CHECKOV = "checkov==3.3.30"
"""In an environment of its own: its libraries and ours do not go together."""
MODULES = sorted(path.name for path in (ROOT / "terraform/modules").iterdir())


@pytest.fixture(scope="module")
def checkout(terraform_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    terraform = Terraform(tmp_path_factory.mktemp("checkout"), {"AWS_REGION": "ap-southeast-2"})
    terraform.init()
    return terraform


def test_form(terraform_installed: None) -> None:
    command = ["terraform", "fmt", "-check", "-recursive", "-diff", "terraform"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_valid(checkout: Terraform) -> None:
    checkout.run("validate")


def test_terraforms_own_tests(checkout: Terraform) -> None:
    assert "6 passed, 0 failed" in checkout.run("test")


@pytest.mark.parametrize("module", [name for name in MODULES if (ROOT / f"terraform/modules/{name}/tests").is_dir()])
def test_a_modules_own_tests(module: str, checkout: Terraform) -> None:
    folder = checkout.folder / "modules" / module
    checkout.run(f"-chdir={folder}", "init", "-input=false")
    assert re.search(r"[1-9]\d* passed, 0 failed", checkout.run(f"-chdir={folder}", "test"))


def test_checkov_finds_nothing_but_what_is_left_out_for_a_reason() -> None:
    uv = Path(sys.executable).with_name("uv")
    checkov = [str(uv), "tool", "run", "--quiet", "--python", sys.executable, CHECKOV]
    if subprocess.run([*checkov, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"{CHECKOV} cannot be had here")
    command = [*checkov, "-d", "terraform", "--config-file", "terraform/.checkov.yaml", "--skip-download"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Failed checks: 0" in done.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "terraform").rglob("variables.tf")), ids=lambda path: path.parent.name)
def test_every_variable_has_a_type_and_a_description(path: Path) -> None:
    blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', path.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for name, body in blocks:
        assert re.search(r"^  type +=", body, re.MULTILINE), name
        assert re.search(r'^  description += ".+\.', body, re.MULTILINE), name


def test_the_state_machine_runs_the_steps_of_a_run_in_their_order() -> None:
    order, state = [], WORKFLOW["StartAt"]
    while state != "Summarise":
        order.append(state)
        state = WORKFLOW["States"][state]["Next"]
    results = [WORKFLOW["States"][state]["ResultPath"].removeprefix("$.") for state in order[2:]]
    assert order[:2] == ["UpdateSymbols", "FetchBatches"]
    assert results == [*PUBLISHING, "check"]


def test_every_task_is_tried_again_and_every_failure_is_summarised() -> None:
    functions = set()
    for name, state in tasks(WORKFLOW["States"]):
        assert state["Retry"], name
        for retry in state["Retry"]:
            assert retry.get("MaxAttempts") == 0 or retry["JitterStrategy"] == "FULL", name
        functions.add(state["Resource"].strip("${}"))
    assert functions >= set(spec()["functions"])
    assert WORKFLOW["States"]["FetchBatches"]["MaxConcurrency"] == 10
    for name in ("UpdateSymbols", "FetchBatches", "FetchMetadata", "Consolidate", "ResampleIntervals", "Check"):
        (catch,) = WORKFLOW["States"][name]["Catch"]
        assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "Summarise"), name


def tasks(states: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in states.items():
        if state["Type"] == "Task":
            yield name, state
        if state["Type"] == "Map":
            yield from tasks(state["ItemProcessor"]["States"])


def test_athenas_table_is_that_of_the_raw_files() -> None:
    athena = (ROOT / "terraform/modules/readers/athena.tf").read_text()
    columns = re.findall(r'\["(\w+)", "(\w+)"\]', athena)
    types = {"VARCHAR": "string", "DATE": "date", "DOUBLE": "double", "BIGINT": "bigint"}
    schema = duckdb.sql(f"DESCRIBE FROM '{ROOT / 'sql/schema/raw.parquet'}'").fetchall()
    assert columns == [(name, types[kind]) for name, kind, *_ in schema]


def test_no_key_is_in_the_configuration() -> None:
    for path in (ROOT / "terraform").rglob("*.tf*"):
        assert not re.search(r"(?<!_)POLYGON_API_KEY(?!_PARAMETER)", path.read_text()) or "tftest" in path.name, path
