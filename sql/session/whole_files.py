"""Files that appear when they are complete, so that several processes may make the same one at once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield the name under which to write a DuckDB file; it gets its own name if the block ends without an error.

    The folder is made, for this user alone, if it does not exist. What was written before an error is deleted.

    Raises:
        OSError: the folder cannot be made, or the file cannot be renamed.
    """
    part = _part_of(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield part
        part.replace(path)
    finally:
        for left in (part, part.with_name(f"{part.name}.wal")):
            with suppress(OSError):
                left.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file of a user's choice, which has its old content or the new one, whatever happens in between.

    A symbolic link stays one, and a pipe or a device is written to.

    Raises:
        OSError: it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    target = path.resolve()
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    part = _part_of(target)
    try:
        part.write_bytes(data)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    """Return the name of a file while it is written."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
