"""The log file: rotation at its size, by several processes at once, on a disk that is full."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from stockstream.analytics.cli.log_file import LogFile

WRITER = """
import logging, sys
from pathlib import Path
from stockstream.analytics.cli.log_file import LogFile
handler = LogFile(Path("all.log"), 20_000, 100)
logger = logging.getLogger("test")
logger.addHandler(handler)
print("ready", flush=True)
sys.stdin.readline()
for number in range(500):
    logger.error('{"process": %s, "number": %d, "text": "%s"}', sys.argv[1], number, "x" * 50)
"""


def test_a_full_file_is_rotated_and_the_oldest_is_deleted(tmp_path: Path) -> None:
    handler = LogFile(tmp_path / "run.log", 1000, 3)
    for number in range(100):
        handler.emit(logging.makeLogRecord({"msg": f"line {number:03} {'x' * 90}"}))
    handler.close()
    files = sorted(tmp_path.glob("run.log*"))
    assert [path.name for path in files] == ["run.log", "run.log.1", "run.log.2", "run.log.lock"]
    assert all(path.stat().st_size <= 1000 for path in files)
    lines = [line for path in files[2::-1] for line in path.read_text().splitlines()]
    assert [int(line.split()[1]) for line in lines] == list(range(100 - len(lines), 100)), "the newest, in order"
    assert len(lines) >= 2 * 9, "nine fit into a file"


def test_processes_that_rotate_the_same_file_lose_no_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER]
    writers = [
        subprocess.Popen([*command, str(number)], stdin=-1, stdout=-1, text=True, cwd=tmp_path) for number in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(120) for writer in writers] == [0, 0]
    files = [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert sorted((line["process"], line["number"]) for line in lines) == [(p, n) for p in (0, 1) for n in range(500)]
    assert all(path.stat().st_size <= 20_000 for path in files), "none goes on with a file that was rotated"
    assert len(files) >= 4


def test_a_file_that_cannot_be_written_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "full.log").symlink_to("/dev/full")
    handler = LogFile(tmp_path / "full.log", 10**9, 3)
    for _ in range(3):
        handler.emit(logging.makeLogRecord({"msg": "line"}))
    said = capsys.readouterr().err
    assert said == f"warning: log file {tmp_path / 'full.log'} cannot be written: No space left on device\n"
