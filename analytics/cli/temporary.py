"""The folder of a process for its temporary files, and the folders that killed processes left."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.pipeline.lake import Lake

PREFIX = "stockstream-"
WRITING = timedelta(minutes=2)
"""Age of a temporary file in a lake after which no writer is writing it any more: it has the lock for two minutes."""
_LOCK = ".stockstream-process"
"""Only a folder of `process_folder` has this file: one that is merely named like it, such as a lake, is a user's."""


@dataclass(frozen=True)
class Leftover:
    """A temporary folder of a process that no longer lives, and the bytes in it."""

    path: Path
    bytes: int


@cache
def process_folder() -> Path:
    """Return the folder of this process, which is deleted at its end: libraries keep files open until then.

    Its lock is held as long as the process lives. It gets the name by which `leftovers` finds it when it has its lock.

    Raises:
        OSError: no temporary folder can be written.
    """
    parent = Path(tempfile.gettempdir())
    begun = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=parent))
    _locked(begun)
    folder = begun.rename(parent / begun.name.removeprefix("."))
    atexit.register(delete_folder, folder)
    return folder


def leftovers() -> list[Leftover]:
    """Return the temporary folders of this user's processes that no longer live."""
    return [Leftover(path, sum(_sizes(path))) for path in _folders() if _is_left(path)]


def delete_leftovers() -> list[Leftover]:
    """Delete the folders of `leftovers`; return those that are gone."""
    before = leftovers()
    for leftover in before:
        delete_folder(leftover.path)
    return [leftover for leftover in before if not leftover.path.exists()]


def left_behind(lake: Lake) -> list[str]:
    """Return the paths of what killed processes left: temporary folders of this machine, temporary files of the lake.

    A temporary file of the lake that a living writer may be writing is not one of them.
    """
    files = [key for key, listed in lake.store.litter().items() if listed.age >= WRITING]
    return [*(str(leftover.path) for leftover in leftovers()), *map(lake.store.uri, files)]


def delete_folder(folder: Path) -> None:
    """Delete a temporary folder, even while threads of this process write into it; ignore errors."""
    hidden = folder.with_name(f".{folder.name}.deleted")
    try:
        folder.rename(hidden)  # from now on, no thread can create a file in it
    except OSError:
        hidden = folder
    shutil.rmtree(hidden, ignore_errors=True)


def _folders() -> Iterator[Path]:
    present = process_folder()
    for path in sorted(present.parent.glob(f"*{PREFIX}*")):
        try:
            is_ours = path.name.lstrip(".").startswith(PREFIX) and path.lstat().st_uid == os.geteuid()
        except OSError:
            continue
        if is_ours and path != present and path.is_dir() and not path.is_symlink():
            yield path


def _is_left(folder: Path) -> bool:
    """Return whether a folder is that of a process which has ended: then no one holds its lock."""
    if not (folder / _LOCK).is_file():
        return False
    try:
        handle = _locked(folder)
    except OSError:  # its process is deleting it
        return False
    if handle is not None:
        os.close(handle)
    return handle is not None


def _locked(folder: Path) -> int | None:
    """Return the handle of a folder's lock, which is held until the handle is closed; None if another process has it.

    The operating system releases the lock when the process ends, however that happens.
    """
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            yield path.lstat().st_size
        except OSError:  # deleted in the meantime
            continue
