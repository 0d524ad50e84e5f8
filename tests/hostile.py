"""Run the command line in an environment that lacks something: a disk with room, permissions, open files, UTF-8.

A helper process imports everything and forks once per command, which takes a tenth of the time of a new interpreter.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.kill_at import ROOT, Ended, import_all
from tests.unprivileged import NOBODY


@dataclass(frozen=True)
class Environment:
    """What a command finds: the deviations from a usual environment."""

    variables: Mapping[str, str] = field(default_factory=dict)
    stdout: str = ""
    """The file or device that is standard output; `closed`: none; empty: an ordinary file."""
    encoding: str = "utf-8"
    """Encoding of standard output and standard error."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Limits of `resource`, such as RLIMIT_NOFILE."""
    is_nobody: bool = False
    """Whether the user is not root, if the tests run as root."""


class Commands:
    """`with Commands(folder) as commands: commands.run(["status"], Environment(...), cwd)`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile"], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Commands:
        return self

    def __exit__(self, *_: object) -> None:
        self._helper.communicate()

    def run(self, argv: Sequence[str], environment: Environment, cwd: Path) -> Ended:
        """Run a command in an environment; return its exit code and output."""
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        task = {"argv": list(argv), "folder": str(self._folder), "cwd": str(cwd), **asdict(environment)}
        self._helper.stdin.write(json.dumps(task) + "\n")
        self._helper.stdin.flush()
        code = json.loads(self._helper.stdout.readline())
        return Ended(code, *((self._folder / name).read_text(errors="replace") for name in ("out", "err")))


def serve() -> None:
    """Run the helper: read one task per line (JSON), fork its command, and print its exit code."""
    from stockstream.analytics.cli import main
    from stockstream.analytics.cli.application import app  # noqa: F401 (imported before the fork)

    import_all()
    tempfile.tempdir = None
    for line in sys.stdin:
        task = json.loads(line)
        for name in ("out", "err"):
            (Path(task["folder"]) / name).write_bytes(b"")
        child = os.fork()
        if not child:
            _run(main, task)
        print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])), flush=True)


def _run(main: Any, task: dict[str, Any]) -> None:
    code: object = 70
    try:
        folder = Path(task["folder"])
        os.dup2(os.open(folder / "err", os.O_WRONLY), 2)
        if task["stdout"] == "closed":
            os.close(1)
        else:
            os.dup2(os.open(task["stdout"] or folder / "out", os.O_WRONLY), 1)
        os.chdir(task["cwd"])
        os.environ.update(task["variables"])
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w"), encoding=task["encoding"], errors="backslashreplace")
        sys.stdout = sys.__stdout__ = None  # type: ignore[assignment, misc]
        if task["stdout"] != "closed":
            sys.stdout = sys.__stdout__ = open(1, "w", encoding=task["encoding"])  # type: ignore[misc] # noqa: SIM115
        for name, value in task["limits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        if task["is_nobody"] and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        sys.argv = ["stockstream", *task["argv"]]
        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        import traceback

        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    import atexit

    atexit._run_exitfuncs()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve()
