"""Run the real command line in processes of their own, and kill one with SIGKILL at a chosen write.

`Runner` starts this file as a helper that has everything imported and forks once a command, which takes a tenth of
the time of a fresh interpreter; the command's process is an ordinary one otherwise, and dies an ordinary death.
"""

from __future__ import annotations

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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (-9: killed), and what it printed."""

    code: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Runner:
    """The tests' side: `with Runner(env) as runner: runner.run(["run", "--lake", ...], kill_at=3)`."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "tests.kill_at"],
            cwd=ROOT,
            env={**env, "COLUMNS": "200"},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self._helper.communicate()  # its standard input ends, and so does it

    def run(
        self, *commands: Sequence[str], kill_at: int = 0, kill_after: float = 0.0, meet: bool = False
    ) -> list[Ended]:
        """Run commands at the same time; kill each at its n-th write, or after so many seconds.

        `meet`: each stops before it stores its first batch until all others are there too.
        """
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        task = {"commands": commands, "kill_at": kill_at, "kill_after": kill_after, "meet": meet}
        task["folder"] = str(self._folder)
        self._helper.stdin.write(json.dumps(task) + "\n")
        self._helper.stdin.flush()
        codes = json.loads(self._helper.stdout.readline())
        texts = [[(self._folder / f"{i}.{name}").read_text() for name in ("out", "err")] for i in range(len(codes))]
        return [Ended(code, *text) for code, text in zip(codes, texts, strict=True)]


def serve() -> None:
    """Be the helper: fork the commands that are asked for, one line of JSON a time."""
    from analytics.cli import main
    from pipeline.market import MARKETS

    import_all()
    for name in MARKETS:  # without threads or connections, which a fork does not carry
        for year in range(2024, 2030):
            MARKETS[name].schedule(year)
    for line in sys.stdin:
        task = json.loads(line)
        for left in Path(task["folder"]).glob("*.here"):
            left.unlink()
        children = [_fork(main, argv, task, number) for number, argv in enumerate(task["commands"])]
        if task["kill_after"]:
            threading.Event().wait(task["kill_after"])
            for child in children:
                os.kill(child, signal.SIGKILL)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)


def import_all() -> None:
    """Import what the command line imports late, and let boto3 read its description of S3."""
    import boto3
    import exchange_calendars  # noqa: F401

    import pipeline.sources.files
    import pipeline.store.folder
    import pipeline.store.s3  # noqa: F401

    boto3.client("s3")


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
            meet(Path(task["folder"]), number, len(task["commands"]))
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

    The moments of a file: half written; written and synced; renamed into its place; the folder synced too. Of an S3
    object: before the request; after the server has answered.
    """
    import botocore.client

    lock, passed = threading.Lock(), [0]

    def moment(before: Callable[[], None] = lambda: None) -> None:
        with lock:  # held until death, so that no other thread gets further
            passed[0] += 1
            if passed[0] == point:
                before()
                os.kill(os.getpid(), signal.SIGKILL)

    fsync, rename, replace = os.fsync, os.rename, os.replace
    call = botocore.client.BaseClient._make_api_call

    def synced(handle: int) -> None:
        file = os.fstat(handle)
        if stat.S_ISREG(file.st_mode):
            moment(lambda: os.ftruncate(handle, file.st_size // 2))
        fsync(handle)
        moment()

    def renamed(of: Callable[..., None]) -> Callable[..., None]:
        def named(*args: Any, **more: Any) -> None:
            of(*args, **more)
            moment()

        return named

    def called(self: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if not operation.startswith(("Put", "Delete", "Copy", "Upload", "Complete")):
            return call(self, operation, arguments)
        moment()
        answer = call(self, operation, arguments)
        moment()
        return answer

    os.fsync, os.rename, os.replace = synced, renamed(rename), renamed(replace)  # type: ignore[assignment]
    botocore.client.BaseClient._make_api_call = called


def meet(folder: Path, number: int, others: int) -> None:
    """Hold this process before its first put of a batch until all the others have come as far."""
    from pipeline.store.folder import FolderStore
    from pipeline.store.s3 import S3Store

    def held(put: Callable[..., None]) -> Callable[..., None]:
        def holding(self: Any, key: str, *rest: Any, **more: Any) -> None:
            if key.startswith("raw-data/"):
                (folder / f"{number}.here").touch()
                until = time.monotonic() + 20
                while len(list(folder.glob("*.here"))) < others and time.monotonic() < until:
                    time.sleep(0.002)
            put(self, key, *rest, **more)

        return holding

    FolderStore.put = held(FolderStore.put)  # type: ignore[method-assign]
    S3Store.put = held(S3Store.put)  # type: ignore[method-assign]


if __name__ == "__main__":
    serve()
