"""Run a part of a test without the privileges of root, who may read and write everything."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kill_at import import_all

NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """Drop the privileges of root in this block, if the tests run as root."""
    import_all()  # which the unprivileged user may not read
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@contextmanager
def open_folder() -> Iterator[Path]:
    """Create a folder that every user can reach; pytest's own folders are for the user who runs it."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir():
                path.chmod(0o777)
        shutil.rmtree(folder)


def give_away(folder: Path) -> None:
    """Make a folder and everything in it the property of the unprivileged user, if the tests run as root."""
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
