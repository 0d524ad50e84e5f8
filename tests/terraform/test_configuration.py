"""The configuration by itself: format, validity, Terraform's own tests, and that it has the steps of the pipeline."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.pipeline.events import PARTS, STEPS
from stockstream.pipeline.live.raw_events import FOLDER, RawEvent, arrival_key
from stockstream.pipeline.runner import MAX_CONCURRENT_BATCHES
from stockstream.terraform.packages import handler, spec
from tests.s3_server import S3Server
from tests.terraform.deployment import ROOT, Terraform, TerraformError

WORKFLOW = json.loads((ROOT / "terraform/workflow.asl.json").read_text())
CHECKOV = "checkov==3.3.30"
"""In its own environment, as its dependencies conflict with ours."""
MODULES = sorted(path.name for path in (ROOT / "terraform/modules").iterdir())


@pytest.fixture(scope="module")
def checkout(terraform_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    terraform = Terraform(tmp_path_factory.mktemp("checkout"), {"AWS_REGION": "ap-southeast-2"})
    terraform.init()
    return terraform


def test_format(terraform_installed: None) -> None:
    command = ["terraform", "fmt", "-check", "-recursive", "-diff", "terraform"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_valid(checkout: Terraform) -> None:
    checkout.run("validate")


@pytest.mark.e2e
def test_terraforms_own_tests(checkout: Terraform) -> None:
    assert "11 passed, 0 failed" in checkout.run("test")


@pytest.mark.e2e
@pytest.mark.parametrize("module", [name for name in MODULES if (ROOT / f"terraform/modules/{name}/tests").is_dir()])
def test_a_modules_own_tests(module: str, checkout: Terraform) -> None:
    folder = checkout.folder / "modules" / module
    checkout.run(f"-chdir={folder}", "init", "-input=false")
    assert re.search(r"[1-9]\d* passed, 0 failed", checkout.run(f"-chdir={folder}", "test"))


@pytest.mark.e2e
def test_checkov_finds_nothing_beside_the_listed_exceptions() -> None:
    uv = Path(sys.executable).with_name("uv")
    checkov = [str(uv), "tool", "run", "--quiet", "--python", sys.executable, CHECKOV]
    if subprocess.run([*checkov, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"{CHECKOV} is not available here")
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


def test_the_state_machine_runs_the_steps_of_the_list() -> None:
    """Order, states, functions, and the keys of results and errors."""
    state: str = WORKFLOW["StartAt"]
    for step in STEPS:
        definition = WORKFLOW["States"][step.state]
        assert state == step.state
        assert [task["Resource"] for _, task in tasks({state: definition})] == [f"${{{step.name}}}"]
        if step not in (STEPS[0], STEPS[-1]):  # the first returns the state, the last the execution's output
            assert definition["ResultPath"] == f"$.{step.result}"
        (catch,) = definition["Catch"]
        assert catch == {
            "ErrorEquals": ["States.ALL"],
            "ResultPath": f"$.failure.{step.result}",
            "Next": {"refresh": "RefreshBars", "summarise": "NotifyWithoutSummary"}.get(
                step.name, definition["Next"] if step.may_fail else STEPS[-1].state
            ),
        }
        state = definition["Next"]
    assert WORKFLOW["States"]["FetchBatches"]["MaxConcurrency"] == MAX_CONCURRENT_BATCHES


def test_if_the_tables_cannot_be_computed_the_bars_alone_are_published() -> None:
    refresh, alone = WORKFLOW["States"]["Refresh"], WORKFLOW["States"]["RefreshBars"]
    assert alone["Parameters"] == {**refresh["Parameters"], "only": ["consolidate"]}
    assert "consolidate" in {part.result for part in PARTS}
    for name in ("Resource", "ResultPath", "Retry", "Next"):
        assert alone[name] == refresh[name]
    (catch,) = alone["Catch"]
    assert (catch["ResultPath"], catch["Next"]) == ("$.failure.consolidate", STEPS[-1].state)


def test_the_package_of_refresh_has_its_parts() -> None:
    assert spec()["functions"]["refresh"]["parts"] == [part.name for part in PARTS]


def test_every_task_is_retried() -> None:
    for name, state in tasks(WORKFLOW["States"]):
        assert state["Retry"], name
        for retry in state["Retry"]:
            assert retry.get("MaxAttempts") == 0 or retry["JitterStrategy"] == "FULL", name


def test_every_step_of_the_list_is_a_function() -> None:
    """With its title, a handler that exists, and its rights; `vacuum` is no step, and has its own schedule."""
    described = {name: one["description"] for name, one in spec()["functions"].items()}
    assert described.pop("vacuum")
    assert described == {step.name: step.title for step in STEPS}
    for name in spec()["functions"]:
        module, attribute = handler(name).rsplit(".", 1)
        assert callable(getattr(import_module(module), attribute)), name
    access = (ROOT / "terraform/modules/functions/access.tf").read_text()
    for table in ("reads", "writes"):
        (body,) = re.findall(rf"^  {table} += {{\n(.*?)^  }}", access, re.MULTILINE | re.DOTALL)
        assert re.findall(r"^    (\w+) +=", body, re.MULTILINE) == [*(step.name for step in STEPS), "vacuum"], table


def test_of_the_lakes_data_only_vacuum_may_delete_and_nothing_that_a_source_has_delivered() -> None:
    """Live bars are no part of a generation: those who publish them may delete them."""
    access = (ROOT / "terraform/modules/functions/access.tf").read_text()
    (body,) = re.findall(r"^  deletes = {\n(.*?)^  }", access, re.MULTILINE | re.DOTALL)
    assert [re.sub(" +", " ", line.strip()) for line in body.splitlines() if line.strip()] == [
        'publish_serving = var.serving_enabled ? ["serving/*"] : []',  # derived from a generation, and no part of it
        'vacuum = ["silver/*", "state/checks/*", "state/manifests/*"]',
    ]
    live = (ROOT / "terraform/modules/speed/access.tf").read_text()
    (body,) = re.findall(r"^  deletes = {\n(.*?)^  }", live, re.MULTILINE | re.DOTALL)
    assert re.findall(r'"([^"]+)"', body) == ["live/*", "live/connections/*"]
    deleting = [ROOT / f"terraform/modules/{module}/access.tf" for module in ("functions", "speed")]
    for path in (ROOT / "terraform").rglob("*.tf"):
        assert path.read_text().count("s3:Delete") == (path in deleting), path


def test_the_functions_of_the_speed_layer_and_of_the_serving_layer_exist() -> None:
    for name in (*spec()["live_functions"], *spec()["serving_functions"]):
        module, attribute = handler(name).rsplit(".", 1)
        assert callable(getattr(import_module(module), attribute)), name


def test_athenas_table_of_events_is_that_of_the_raw_events() -> None:
    athena = (ROOT / "terraform/modules/speed/athena.tf").read_text()
    types = {"str": "string", "int": "bigint"}
    fields = {name: kind.partition(" ")[0] for name, kind in RawEvent.__annotations__.items()}
    assert re.findall(r'\["(\w+)", "(\w+)"\]', athena) == [(name, types[kind]) for name, kind in fields.items()]
    key = arrival_key("2026-11-25", 0, "shardId-000000000001", "1", "2")
    folders = re.findall(r'^      folder += "(.+)"', athena, re.MULTILINE)
    templates = re.findall(r'^      template += "(.+)"', athena, re.MULTILINE)
    paths = [f"{folder}/{template}" for folder, template in zip(folders, templates, strict=True)]
    assert paths[0] == f"{FOLDER}days/date=$${{date}}"
    assert key.startswith(paths[1].replace("$${date}", "2026-11-25").replace("$${hour}", "00") + "/")


def test_every_module_states_its_versions() -> None:
    versions = (ROOT / "terraform/versions.tf").read_text()
    for module in MODULES:
        assert (ROOT / f"terraform/modules/{module}/versions.tf").read_text() == versions, module


def test_partition_and_region_are_those_of_the_provider() -> None:
    for path in [*(ROOT / "terraform").rglob("*.tf"), ROOT / "terraform/workflow.asl.json"]:
        assert not re.search(r"arn:aws\b", path.read_text()), path
    for path in (ROOT / "terraform/modules").rglob("*.tf"):
        assert "var.region" not in path.read_text(), path


def test_the_backend_example_stores_the_state_under_a_lock(
    terraform_installed: None, s3_server: S3Server, tmp_path: Path
) -> None:
    bucket, key = s3_server.new_bucket(), "stockstream/terraform.tfstate"
    terraform = Terraform(tmp_path / "checkout", s3_server.environment)
    example = (terraform.folder / "backend.tf.example").read_text()
    for path in terraform.folder.glob("*.tf"):
        path.unlink()
    (terraform.folder / "backend.tf").write_text(
        example.replace("my-terraform-state", bucket) + 'output "stored" {\n  value = "here"\n}\n'
    )
    terraform.run("init", "-input=false", "-backend-config=use_path_style=true")
    terraform.apply()
    client = s3_server.client()
    assert json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())["outputs"]["stored"]["value"] == "here"
    client.put_object(Bucket=bucket, Key=f"{key}.tflock", Body=b'{"ID": "somebody"}')
    with pytest.raises(TerraformError, match="Error acquiring the state lock"):
        terraform.apply()


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
