"""Run the real command line in separate processes and inject faults: SIGKILL, a race, a wrong clock.

`Runner` starts this file as a helper process that has imported everything and forks once per command. A fork takes a
tenth of the time of a new interpreter; apart from that the command's process is an ordinary one.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import duckdb

from tests.trusting import connect_trusting

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ended:
    """The result of a command: its exit code (-9: killed) and its output."""

    code: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Runner:
    """The interface for tests: `with Runner(folder, env) as runner: runner.run(["run", "--lake", ...], kill_at=3)`."""

    def __init__(self, folder: Path, env: Mapping[str, str], consolidate: Mapping[str, float] | None = None) -> None:
        """Start the helper with an environment; `consolidate` replaces constants of `pipeline.steps.consolidate`."""
        self._folder = folder
        ours = ("AWS_", "STOCKSTREAM_", "S3_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "tests.kill_at", json.dumps(consolidate or {})],
            cwd=ROOT,
            env={**inherited, "LOG_LEVEL": "ERROR", "COLUMNS": "200", **env},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self._helper.communicate()  # closes its standard input, which ends it

    def run(
        self,
        *commands: Sequence[str],
        kill_at: int = 0,
        kill_after: Sequence[float] = (),
        meet: str = "",
        clock: Sequence[str] = (),
    ) -> list[Ended]:
        """Run commands concurrently and return their results.

        `kill_at`: kill each command at its n-th moment of writing. `kill_after`: kill each after so many seconds, one
        number per command. `meet`: stop each command before its first put of a key with this prefix until all commands
        have reached that point. `clock`: a time (ISO 8601), and the module attributes to replace by a clock that is
        stopped at it.
        """
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        task = {"commands": commands, "kill_at": kill_at, "kill_after": kill_after, "meet": meet}
        task |= {"clock": clock, "folder": str(self._folder)}
        self._helper.stdin.write(json.dumps(task) + "\n")
        self._helper.stdin.flush()
        codes = json.loads(self._helper.stdout.readline())
        texts = [[(self._folder / f"{i}.{name}").read_text() for name in ("out", "err")] for i in range(len(codes))]
        return [Ended(code, *text) for code, text in zip(codes, texts, strict=True)]


def serve(constants: Mapping[str, float]) -> None:
    """Run the helper: read one task per line (JSON), fork its commands, and print their exit codes."""
    from stockstream.analytics.cli import main
    from stockstream.pipeline.markets import MARKETS
    from stockstream.pipeline.steps import consolidate

    for name, value in constants.items():
        setattr(consolidate, name, value)
    import_all()
    duckdb.connect = connect_trusting
    for name in MARKETS:  # without threads or connections, which do not survive a fork
        for year in range(2024, 2030):
            MARKETS[name].schedule(year)
    for line in sys.stdin:
        task = json.loads(line)
        for left in Path(task["folder"]).glob("*.here"):
            left.unlink()
        children = [_fork(main, argv, task, number) for number, argv in enumerate(task["commands"])]
        began = time.monotonic()
        for seconds, child in sorted(zip(task["kill_after"], children, strict=False)):
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            os.kill(child, signal.SIGKILL)  # the process exists even if it has ended, as no one has waited for it
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)


def import_all() -> None:
    """Import what the command line imports lazily, and let boto3 read its description of S3."""
    import boto3
    import exchange_calendars  # noqa: F401

    import stockstream.pipeline.sources.files
    import stockstream.pipeline.store.folder
    import stockstream.pipeline.store.s3  # noqa: F401
    from stockstream.sql.catalogue import catalogue

    boto3.client("s3")
    catalogue()


def _fork(main: Callable[[], None], argv: Sequence[str], task: dict[str, Any], number: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        for handle, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(Path(task["folder"]) / f"{number}.{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), handle)
        if task["kill_at"]:
            kill_at(task["kill_at"])
        if task["meet"]:
            meet(Path(task["folder"]), number, len(task["commands"]), task["meet"])
        if task["clock"]:
            stop_clock(*task["clock"])
        sys.argv = ["stockstream", *argv]
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def kill_at(point: int) -> None:
    """Kill this process at its n-th moment of writing to the lake.

    A file that is written has two moments: its temporary file is half written; it has been renamed. The deletion of a
    file has one: the file is gone. A request to S3 that writes or deletes has two: before it is sent; after its answer.
    """
    import botocore.client

    from stockstream.analytics.cli.temporary import PREFIX

    lock, passed = threading.Lock(), [0]

    def moment(before: Callable[[], None] = lambda: None) -> None:
        with lock:  # held until the kill, so that no other thread goes on
            passed[0] += 1
            if passed[0] == point:
                before()
                os.kill(os.getpid(), signal.SIGKILL)

    fsync, rename, unlink = os.fsync, os.rename, os.unlink
    call = botocore.client.BaseClient._make_api_call

    def synced(handle: int) -> None:
        file = os.fstat(handle)
        if stat.S_ISREG(file.st_mode):
            moment(lambda: os.ftruncate(handle, file.st_size // 2))
        fsync(handle)

    def renamed(*args: Any, **more: Any) -> None:
        rename(*args, **more)
        if PREFIX not in str(args[0]):  # the command's temporary folder, which is renamed before it is deleted
            moment()

    def unlinked(path: Any, **more: Any) -> None:
        unlink(path, **more)
        if isinstance(path, Path) and PREFIX not in str(
            path
        ):  # shutil, which removes temporary folders, passes strings
            moment()

    def called(self: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if not operation.startswith(("Put", "Delete", "Copy", "Upload", "Complete")):
            return call(self, operation, arguments)
        moment()
        answer = call(self, operation, arguments)
        moment()
        return answer

    os.fsync, os.rename, os.unlink = synced, renamed, unlinked  # type: ignore[assignment]
    botocore.client.BaseClient._make_api_call = called


def meet(folder: Path, number: int, others: int, prefix: str) -> None:
    """Stop this process before its first put of a key with a prefix until all the others have reached that point."""
    from stockstream.pipeline.store.folder import FolderStore
    from stockstream.pipeline.store.s3 import S3Store

    def held(put: Callable[..., None]) -> Callable[..., None]:
        def holding(self: Any, key: str, *rest: Any, **more: Any) -> None:
            if key.startswith(prefix):
                (folder / f"{number}.here").touch()
                until = time.monotonic() + 20
                while len(list(folder.glob("*.here"))) < others and time.monotonic() < until:
                    time.sleep(0.002)
            put(self, key, *rest, **more)

        return holding

    FolderStore.put = held(FolderStore.put)  # type: ignore[method-assign]
    S3Store.put = held(S3Store.put)  # type: ignore[method-assign]


def stop_clock(at: str, *names: str) -> None:
    """Replace `datetime` in modules by a stopped clock; sockets keep the real one."""
    moment = datetime.fromisoformat(at)

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return moment.astimezone(tz)

    for name in names:
        module, _, attribute = name.rpartition(".")
        setattr(importlib.import_module(module), attribute, Stopped)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
