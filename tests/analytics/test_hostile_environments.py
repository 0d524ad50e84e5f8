"""Every command in every environment that lacks something: an exit code of the table, one line, no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockstream.sql.errors import ExitCode
from tests.analytics.test_cli import COMMANDS, CSV, run_cli
from tests.hostile import Commands, Environment
from tests.injected import Injected
from tests.unprivileged import NOBODY, open_folder

ARGUMENTS: dict[str, list[str]] = {
    "run": ["--source", "files:bars.csv"],
    "backfill": ["--source", "files:bars.csv", "--start", "2026-11-16"],
    "query": ["SELECT * FROM bars, range(2000)", "--format", "csv"],
    "shell": ["--", "-c", "FROM bars"],
    "rollback": ["1", "--yes"],
    "check": ["--table", "t=bars.csv", "--store", "bad"],
    "vacuum": ["--delete"],
    "indicators compute": ["rsi", "--symbols", "BHP"],
    "indicators show": ["rsi"],
    "indicators new": ["mine"],
    "backtest": ["--strategy", "BuyAndHold", "--symbols", "BHP", "-o", "out"],
    "schedule": ["--cron"],
    "doctor": ["--source", "files:bars.csv"],
    "reconcile": ["--with", "files:bars.csv"],
    "stream": ["--source", "replay:feed.jsonl"],
    "record": ["recorded.jsonl", "--source", "replay:feed.jsonl"],
    "alerts test": ["move", "--at", "2026-11-17"],
    "paper start": ["mine", "--strategy", "BuyAndHold"],
    "paper stop": ["mine"],
    "serve": ["--new-key", "anna"],  # without it, it serves until a signal
    "mcp": ["--config"],  # without it, it reads requests
    "sql": ["rsi", "--dialect", "spark"],
}
"""What a command needs besides the lake."""
FEED = """[{"ev":"A","sym":"BHP","v":10,"av":10,"op":10.5,"o":10.5,"h":10.5,"l":10.5,"c":10.5,"s":1763334000000}]\n"""
"""A second of BHP, at the opening on 2025-11-17 in Sydney."""
WITHOUT_LAKE = ("sql", "indicators list", "indicators show", "indicators new", "alerts list")
ENVIRONMENTS = {
    "a full disk as standard output": Environment(stdout="/dev/full"),
    "standard output is closed": Environment(stdout="closed"),
    "ASCII": Environment(encoding="ascii", variables={"PYTHONIOENCODING": "ascii"}),
    "TMPDIR is missing": Environment(variables={"TMPDIR": "/nonexistent/folder"}),
    "TMPDIR is full": Environment(variables={"TMPDIR": "small"}),
    "TMPDIR is read-only": Environment(variables={"TMPDIR": "locked"}, is_nobody=True),
    "the lake without permission": Environment(variables={"STOCKSTREAM_TEST": "chmod"}, is_nobody=True),
    ".env is not UTF-8": Environment(variables={"STOCKSTREAM_TEST": "latin"}),
    ".env has a NUL": Environment(variables={"STOCKSTREAM_TEST": "nul"}),
    "no large files": Environment(limits={"RLIMIT_FSIZE": 1000}),
    "few open files": Environment(limits={"RLIMIT_NOFILE": 14}),
    "the lake's name has a control character": Environment(variables={"STOCKSTREAM_TEST": "name"}),
}
PREPARED = {"chmod", "latin", "nul", "name"}
CASES = [
    pytest.param(
        command,
        name,
        marks=[] if (place + number) % 6 == 0 else pytest.mark.faults,  # `make test-faults` runs all
        id=f"{command}-{name}",
    )
    for place, command in enumerate(COMMANDS)
    for number, name in enumerate(ENVIRONMENTS)
]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with Commands(tmp_path_factory.mktemp("commands")) as started:
        yield started


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake with names that are not ASCII, and hostile ones."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "bars.csv").write_text(CSV.replace("CBA", "ÄÖÜ"))
    (folder / "feed.jsonl").write_text(FEED)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert run_cli("run", "--source", f"files:{folder / 'bars.csv'}", "--lake", str(folder / "lake")).code == 0
    return folder


@pytest.fixture
def small() -> Iterator[Path]:
    """Return a folder without room: a full disk, or, without root, one that is full of files it may not have."""
    with open_folder() as folder:
        (folder / "small").mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder / "small")]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("mounting a small disk needs root")
        (folder / "small" / "full").write_bytes(bytes(4096))
        yield folder / "small"
        subprocess.run(["umount", "-l", str(folder / "small")], check=True)


@pytest.mark.parametrize(("command", "name"), CASES)
def test_every_command_ends_with_one_line(
    command: str,
    name: str,
    commands: Commands,
    template: Path,
    request: pytest.FixtureRequest,
    injected: Injected,
) -> None:
    environment = ENVIRONMENTS[name]
    variables = dict(environment.variables)
    with open_folder() as cwd:
        for source in ("bars.csv", "feed.jsonl", "lake"):
            path = template / source
            shutil.copytree(path, cwd / source) if path.is_dir() else shutil.copy(path, cwd)
        (cwd / "locked").mkdir(mode=0o555)
        if variables.get("TMPDIR") == "small":
            variables["TMPDIR"] = str(request.getfixturevalue("small"))
        elif variables.get("TMPDIR") == "locked":
            variables["TMPDIR"] = str(cwd / "locked")
        lake = "lake"
        match variables.pop("STOCKSTREAM_TEST", None):
            case "chmod":
                (cwd / "lake").chmod(0)
            case "latin":
                (cwd / ".env").write_bytes(b"STOCKSTREAM_MARKET=\xe9\n")
            case "nul":
                (cwd / ".env").write_bytes(b'STOCKSTREAM_LAKE="a\\0b"\nAWS_REGION="a\0b"\n')
            case "name":
                lake = "la\x1bke"
        if environment.is_nobody and os.geteuid() == 0:
            for path in [cwd, *cwd.rglob("*")]:
                if path.name != "locked" and path != cwd / "lake":
                    os.chown(path, NOBODY, NOBODY)
        argv = [*command.split(), *ARGUMENTS.get(command, [])]
        if command not in WITHOUT_LAKE:
            at = argv.index("--") if "--" in argv else len(argv)
            argv[at:at] = ["--lake", lake]
        usual = {"LOG_LEVEL": "ERROR", "HOME": str(cwd), "STOCKSTREAM_RESAMPLE": '["3d"]'}
        ended = commands.run(argv, Environment(**{**vars(environment), "variables": {**usual, **variables}}), cwd)
        lines = [line for line in ended.err.splitlines() if not line.startswith("{")]  # records of the log are
        assert not any("Traceback" in line for line in [*lines, ended.out]), ended
        assert "Exception ignored" not in ended.err, ended
        if command != "shell":  # whose code, lines and colours are those of DuckDB's own shell
            assert ended.code in {int(code) for code in ExitCode}, ended
            if ended.code not in (0, 3):
                assert len(lines) <= 1, ended
                assert lines or ended.out, ended
            assert "\x1b" not in ended.err + ended.out
    injected(command, "the environment", name)


def test_the_cases_of_the_default_target_have_every_command_and_environment() -> None:
    default = [case.values for case in CASES if not case.marks]
    assert {command for command, _ in default} == set(COMMANDS)
    assert {name for _, name in default} == set(ENVIRONMENTS)
