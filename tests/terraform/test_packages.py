"""The Lambda packages: the same bytes every time, within Lambda's limits, and complete without this environment."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from stockstream.terraform import packages
from stockstream.terraform.packages import (
    PLATFORMS,
    PYTHON,
    UNZIPPED_LIMIT,
    ZIPPED_LIMIT,
    build,
    functions,
    handler,
    spec,
    unzipped,
)
from tests.aws.lambdas import Lambdas
from tests.aws.pipeline import packages as built
from tests.aws.sandbox import Function, architecture, disk_can_be_read_only, python
from tests.s3_server import S3Server

pytestmark = pytest.mark.e2e
NO_EXCHANGE = {"STOCKSTREAM_ASX_URL": "no-url", "STOCKSTREAM_ASX_FALLBACK_URLS": "[]"}


@pytest.fixture(scope="module")
def lambdas(s3_server: S3Server) -> Lambdas:
    return Lambdas(s3_server.environment)


def function(name: str, layers: list[str], **environment: str) -> Function:
    code, *libraries = (built()[one].read_bytes() for one in (name, *layers))
    return Function(name, code, tuple(libraries), handler(name), environment, 60, 512)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_sizes_are_within_the_limits(platform: str) -> None:
    built_for = build(packages.ROOT / f"build/packages/{platform}-{PYTHON}", platform)
    for name in functions():
        assert unzipped(built_for, name) <= UNZIPPED_LIMIT
    assert max(package.zipped for package in built_for.values()) <= ZIPPED_LIMIT
    with zipfile.ZipFile(built_for["engine"].path) as archive:
        (engine,) = [name for name in archive.namelist() if name.startswith("python/_duckdb.")]
    assert {"arm64": "aarch64", "x86_64": "x86_64"}[platform] in engine


def test_too_large_a_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "packages"
    shutil.copytree(packages.ROOT / f"build/packages/{architecture()}-{python()[1]}", folder)
    monkeypatch.setattr(packages, "UNZIPPED_LIMIT", 200 * 2**20)
    with pytest.raises(packages.PackageError, match=r"with its layers has 2\d\d\.\d MiB: the limit of Lambda is 200"):
        build(folder, architecture(), python()[1])


def test_a_layer_is_built_again_if_another_layer_gets_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    before = packages.layer_version("sources", "arm64", "3.13")
    layers = {**packages.spec()["layers"], "arrays": ["numpy", "pandas"]}
    monkeypatch.setattr(packages, "spec", lambda: {"layers": layers})
    assert packages.layer_version("sources", "arm64", "3.13") != before


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    before = built()
    again = build(tmp_path, architecture(), python()[1])
    assert {name: one.path.name for name, one in again.items()} == {name: path.name for name, path in before.items()}
    for name, one in again.items():
        assert one.path.read_bytes() == before[name].read_bytes(), f"{name} is not reproducible"


@pytest.mark.parametrize("name", ["refresh", "summarise", "fold_events"])
def test_a_package_has_no_step_or_handler_of_another_function(name: str) -> None:
    steps = {one: {one, *function.get("parts", ())} for one, function in functions().items()}
    with zipfile.ZipFile(built()[name]) as archive:
        files = {path.removeprefix("stockstream/pipeline/") for path in archive.namelist()}
    for folder in ("handlers", "steps"):
        modules = {Path(file).stem for file in files if file.startswith(f"{folder}/")}
        assert modules & set().union(*steps.values()) <= steps[name]
    own = {f"steps/{step}.py" for step in steps[name]} if name in spec()["functions"] else {f"handlers/{name}.py"}
    assert {*own, "steps/__init__.py", "handlers/runtime.py"} <= files


@pytest.mark.parametrize("name", functions())
def test_runs_alone(name: str, lambdas: Lambdas, s3_server: S3Server) -> None:
    """In a process with the package, its layers and the runtime client, without HOME, on a read-only disk."""
    lake = f"s3://{s3_server.new_bucket()}"
    deployed = function(name, functions()[name]["layers"], STOCKSTREAM_LAKE=lake, **NO_EXCHANGE)
    event = {"run": "one", **({"state": {}} if name == "summarise" else {})}
    if name in spec()["serving_functions"]:
        event = {"Records": [], "requestContext": {"connectionId": "one", "routeKey": "$connect"}}
    invoked = lambdas.invoke(deployed, json.dumps(event).encode())
    answer = json.loads(invoked.answer)
    assert invoked.error not in ("Runtime.ImportModuleError", "Runtime.ExitError", "Sandbox.Timedout"), invoked.log
    if invoked.error:  # the error states in one line why an empty lake is not sufficient for the step
        assert invoked.error in ("ListingsRefused", "UsageError", "LakeError"), invoked.log
        assert len(answer["errorMessage"]) <= 500
        assert "the event" not in answer["errorMessage"] or name == "fold_events"  # its events are those of Kinesis
    print(f"cold start of {name}: {invoked.started + invoked.ran:.1f} s")


def test_a_missing_library_is_noticed(lambdas: Lambdas) -> None:
    invoked = lambdas.invoke(function("refresh", ["engine"]), b"{}")
    assert invoked.error == "Runtime.ImportModuleError"


def test_writing_beside_tmp_is_noticed(lambdas: Lambdas, tmp_path: Path) -> None:
    if not disk_can_be_read_only():
        pytest.skip("no mount namespaces here: not root, or not Linux")
    code = "def handler(event, context):\n    open('written', 'w')\n"
    zipped = tmp_path / "code.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("writes.py", code)
    invoked = lambdas.invoke(Function("writes", zipped.read_bytes(), (), "writes.handler", {}, 10, 128), b"{}")
    assert invoked.error == "OSError"
    assert "Read-only file system" in invoked.answer.decode()
