"""What a smaller installation can do, and the one line about what it cannot.

The commands of these tests do not see the packages; `tests/wheels/test_installations.py` does not install them.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

from stockstream.sql.extras import EXTRAS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {
    "bs4": "beautifulsoup4",
    "dotenv": "python-dotenv",
    "google": "protobuf",
    "google.protobuf": "protobuf",
    "pythonjsonlogger": "python-json-logger",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}
"""The distribution by the name of its package, where it is another one."""
HIDE = """
import sys
hidden = sys.argv.pop(1).split(",")
sys.modules.update(dict.fromkeys(hidden))
"""
COMMAND = HIDE + "from stockstream.analytics.cli import main\nmain()"


def distribution(module: str) -> str:
    """Return the name of the distribution that has a package."""
    return DISTRIBUTIONS.get(module, module).replace("_", "-")


def name_of(requirement: str) -> str:
    """Return the name of the distribution in a requirement."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


@cache
def needs(name: str) -> frozenset[str]:
    """Return a distribution and all that it needs."""
    try:
        listed = [name_of(one) for one in requires(name) or () if "extra ==" not in one]
    except PackageNotFoundError:  # of another platform
        return frozenset({name})
    return frozenset({name}).union(*map(needs, listed))


@cache
def closure(extra: str | None) -> frozenset[str]:
    """Return the distributions of an extra, or of the smallest installation, with all that they need."""
    found: set[str] = set()
    for requirement in PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]:
        if match := re.fullmatch(r"stock-stream\[(.+)\]", requirement):
            found.update(*(closure(name) for name in match[1].split(",")))
        else:
            found |= needs(name_of(requirement))
    return frozenset(found)


def imported() -> dict[str, Path]:
    """Return the packages of others that our code imports, each with a file that does."""
    found = {}
    for path in (path for folder in ("sql", "pipeline", "analytics") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found.update({alias.name.partition(".")[0]: path for alias in node.names})
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found[str(node.module).partition(".")[0]] = path
    return {name: path for name, path in found.items() if name not in (*sys.stdlib_module_names, "stockstream")}


def test_every_package_is_in_the_smallest_installation_or_has_an_extra() -> None:
    tops = {module.partition(".")[0] for module in EXTRAS}
    unknown = {f"{path.relative_to(ROOT)}: {name}" for name, path in imported().items() if name not in tops}
    assert {line for line in unknown if distribution(line.split(": ")[1]) not in closure(None)} == set()


@pytest.mark.parametrize("module", EXTRAS)
def test_the_extra_that_a_message_names_has_the_package(module: str) -> None:
    assert distribution(module) in closure(EXTRAS[module])
    assert distribution(module) not in closure(None)


def test_all_is_all_but_spark() -> None:
    every = set().union(*(closure(extra) for extra in PROJECT["optional-dependencies"]))
    assert every - closure("all") == {"pyspark", "py4j"} & every


@pytest.fixture(scope="module")
def lake(demo_lake: str) -> str:
    return demo_lake


def run(program: str, *arguments: str, hidden: str = ",".join(EXTRAS)) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, hidden, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    "command",
    [
        "query \"SELECT count(*) FROM rsi('bars_adjusted', 14)\"",
        pytest.param("query --output {folder}/bars.parquet 'FROM bars'", marks=pytest.mark.large),
        "status",
        pytest.param("history", marks=pytest.mark.large),
        "check --format json",
        pytest.param("indicators compute rsi_14", marks=pytest.mark.large),
        pytest.param("shell --lake {lake} -- -c 'FROM bars'", marks=pytest.mark.large),
    ],
)
def test_a_query_needs_no_extra(command: str, lake: str, tmp_path: Path) -> None:
    arguments = shlex.split(command.format(folder=tmp_path, lake=lake))
    done = run(COMMAND, *arguments, *([] if "--lake" in arguments else ["--lake", lake]))
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr
    assert done.stdout or (tmp_path / "bars.parquet").stat().st_size


def test_doctor_warns_of_what_is_not_installed(lake: str, tmp_path: Path) -> None:
    program = f"import os; os.environ['HOME'] = {str(tmp_path)!r}\n" + COMMAND
    done = run(program, "doctor", "--lake", lake, "--json")
    findings = [one for one in json.loads(done.stdout)["findings"] if "pip install" in one["text"]]
    assert {one["check"]: re.findall(r"\.\[(\w+)\]", one["text"]) for one in findings} == {
        "versions": ["s3"],
        "source": ["yahoo"],
        "alerts": ["run"],
    }
    assert {one["state"] for one in findings} == {"warning"}
    assert done.returncode == 3


def test_a_connection_needs_no_extra(lake: str) -> None:
    program = HIDE + "from stockstream import analytics\n"
    program += f"print(analytics.connect({lake!r}).sql('SELECT count(*) > 0 FROM bars_adjusted').fetchall())"
    done = run(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[(True,)]\n", "")


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("run --symbols BHP", "yahoo"),
        pytest.param("run --source polygon --market US --symbols IBM", "run", marks=pytest.mark.large),
        pytest.param("demo", "demo", marks=pytest.mark.large),
        ("repair", "run"),
        pytest.param("schedule --cron", "run", marks=pytest.mark.large),
        ("backtest --strategy BuyAndHold", "backtest"),
        ("query --output bars.arrow 'FROM bars'", "polars"),
        pytest.param("serve", "serve", marks=pytest.mark.large),
        pytest.param("stream --source yahoo", "live", marks=pytest.mark.large),
        ("query --lake s3://bucket/prefix 'FROM bars'", "s3"),
        pytest.param("status --lake s3://bucket/prefix", "s3", marks=pytest.mark.large),
    ],
)
def test_what_is_missing_is_one_line_with_the_extra(command: str, extra: str, lake: str, tmp_path: Path) -> None:
    arguments = shlex.split(command)
    new = str(tmp_path / "new")
    if "--lake" not in arguments:
        arguments += ["--lake", new if arguments[0] in ("run", "demo") else lake]
    # Without the folder of extensions that a user's INSTALL has filled.
    program = "import os; os.environ['HOME'] = " + repr(str(tmp_path)) + "\n" + COMMAND
    done = run(program, *arguments)
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(rf'error: \S.* needs .+: pip install "\.\[{extra}\]" in its checkout\n', done.stderr)
    assert not Path(new).exists()


def test_python_names_the_extra_too() -> None:
    program = HIDE + "from stockstream import analytics\n"
    for name in ("bars", "remote", "backtest.search", "spark"):
        program += f"try: analytics.{name}\nexcept Exception as error: print(type(error).__name__, error)\n"
    lines = run(program).stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["MissingPackage"] * 4
    assert re.findall(r"\.\[(\w+)\]", str(lines)) == ["polars", "polars", "backtest", "spark"]


def test_a_missing_package_of_a_users_own_is_no_extra(lake: str, tmp_path: Path) -> None:
    strategy = tmp_path / "mine.py"
    strategy.write_text("import a_package_of_mine\n")
    done = run(COMMAND, "backtest", "--strategy", f"{strategy}:Mine", "--lake", lake, hidden="nothing")
    assert "a_package_of_mine" in done.stderr
    assert "pip install" not in done.stderr
