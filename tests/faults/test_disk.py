"""A disk becomes full: a command reports it in one line, and a re-run succeeds once there is room."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.faults._lake import Reader, assert_one_line, content, litter, look, objects
from tests.injected import Injected
from tests.kill_at import Runner
from tests.s3_server import S3Server

BLOCK = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that is a small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def resize(disk: Path, blocks: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={blocks * BLOCK}", disk], check=True)


@pytest.mark.faults
@pytest.mark.parametrize(("command", "state"), [("consolidate --full", "fetched"), ("resample", "consolidated")])
def test_a_full_disk(
    command: str,
    state: str,
    disk: Path,
    states: dict[str, str],
    runner: Runner,
    s3_server: S3Server,
    injected: Injected,
    tmp_path: Path,
) -> None:
    undisturbed = str(shutil.copytree(states[state], tmp_path / "undisturbed"))
    before = look(undisturbed)
    assert runner.run([*command.split(), "--lake", undisturbed])[0].code == 0
    expected, complete = content(undisturbed), {before, look(undisturbed)}
    lake = str(disk / "lake")
    for room in count():
        resize(disk, 256)
        shutil.rmtree(lake, ignore_errors=True)
        shutil.copytree(states[state], lake)
        there = objects(lake, s3_server)
        used = shutil.disk_usage(disk).used // BLOCK
        resize(disk, used + room)
        with Reader(lake, complete, pause=0.2):
            (ended,) = runner.run([*command.split(), "--lake", lake])
        if ended.code == 0:
            break
        injected(command, f"folder: {room} blocks left", "full disk")
        assert_one_line(ended, "No space left on device", str(disk))
        assert objects(lake, s3_server).items() >= {k: v for k, v in there.items() if "current" not in k}.items()
        resize(disk, 256)
        assert runner.run([*command.split(), "--lake", lake])[0].code == 0
        assert content(lake) == expected
        litter(objects(lake, s3_server))
    assert room > 3
    assert content(lake) == expected
