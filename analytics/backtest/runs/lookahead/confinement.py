"""Confine a process to a copy of a lake: no later bar is within its reach, whichever way a strategy looks for it.

Files outside of the copy cannot be read, except program files. `analytics.connect` and the environment lead to the
copy, also where a strategy names the original lake.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Any

import duckdb

from stockstream.analytics.backtest.runs.lookahead import landlock
from stockstream.pipeline.configuration import settings
from stockstream.sql import session
from stockstream.sql.loader import HOME

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", "/System", "/Library")
"""Folders of the system, which have no bars."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/tty")
PROJECT = [HOME, *(HOME.parent / name for name in ("analytics", "pipeline"))]
MODULES = tuple(all_suffixes())


class Confinement:
    """The limits of a process, and what it tried to reach beyond them."""

    def __init__(self, lake: str, original: str, scratch: Path, readable: Sequence[Path], code: Sequence[Path]) -> None:
        """Prepare the limits.

        Args:
            lake: the copy of the lake, a folder.
            original: the URI of the lake that it stands for.
            scratch: a folder for temporary files.
            readable: further folders and files that may be read.
            code: folders of which only Python modules may be read.
        """
        self.refused: list[str] = []
        """The files and servers that the process was refused, each once, in order."""
        self.is_complete = False
        """Whether also code that is not Python was refused."""
        self._lake, self._original = lake, original
        folders = [*map(Path, SYSTEM + DEVICES), *_installation(), *PROJECT, *readable, Path(lake), scratch]
        self._folders = [Path(os.path.realpath(folder)) for folder in folders]
        self._code = [Path(os.path.realpath(folder)) for folder in code]
        self._place = Path(_place(original))

    def enter(self) -> None:
        """Confine this process from now on; it cannot be undone."""
        _replace(session.normalise, self._normalise)
        _replace(duckdb.connect, self._connect)
        modules = [file for folder in self._code for file in self._modules(folder)]
        is_apart = not any(self._place.is_relative_to(folder) for folder in self._folders)
        self.is_complete = landlock.allow_reading([*self._folders, *modules]) and is_apart
        sys.addaudithook(self._audit)

    def _normalise(self, lake: str) -> str:
        """Return the copy for the original lake, and other lakes as they are."""
        uri = _normalise(lake)
        return self._lake if _place(uri) == _place(self._original) else uri

    def _connect(self, *arguments: Any, **keywords: Any) -> duckdb.DuckDBPyConnection:
        """Return a connection that reads no other files, where the system itself cannot refuse them."""
        con = _connect(*arguments, **keywords)
        if not self.is_complete:
            con.execute("SET allowed_directories = $folders", {"folders": [f"{one}/" for one in self._folders]})
            con.execute("SET enable_external_access = false")
        return con

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            is_written = isinstance(mode, str) and mode[:1] in "wxa" and "+" not in mode
            is_written |= mode is None and flags & os.O_ACCMODE == os.O_WRONLY
            if not is_written and isinstance(path, str | bytes | os.PathLike) and not self._may_read(os.fsdecode(path)):
                self._refuse(os.path.realpath(os.fsdecode(path)), "later bars may be in it")
        elif event == "socket.connect" and isinstance(address := arguments[1], tuple):
            self._refuse(f"{address[0]}:{address[1]}", "it may send later bars")

    def _modules(self, folder: Path) -> Iterator[Path]:
        """Yield the Python modules that can be imported from a folder: those in it, and in packages below it."""
        if any(folder.is_relative_to(other) for other in self._folders):
            return
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            if entry.name.endswith(MODULES) or (entry.name == "__pycache__" and entry.is_dir()):
                yield Path(entry.path)
            elif entry.is_dir() and os.path.exists(f"{entry.path}/__init__.py"):  # noqa: PTH110 (many of them)
                yield from self._modules(Path(entry.path))

    def _refuse(self, what: str, why: str) -> None:
        if what not in self.refused:
            self.refused.append(what)
        raise PermissionError(f"{what} cannot be used in a check for look-ahead: {why}")

    def _may_read(self, path: str) -> bool:
        place = Path(os.path.realpath(path))
        if not place.exists():
            return True  # Python reports it itself
        if place.is_relative_to(self._place):
            return False
        if any(place.is_relative_to(folder) for folder in self._folders) or place.is_dir():
            return True
        return place.name.endswith(MODULES) and any(place.is_relative_to(folder) for folder in self._code)


_normalise, _connect = session.normalise, duckdb.connect


def use_lake(lake: str, scratch: Path) -> None:
    """Make a lake the one of the environment and the settings, and a folder the one of temporary files."""
    import tempfile

    os.environ["STOCKSTREAM_LAKE"] = lake
    os.environ["TMPDIR"] = str(scratch)
    os.environ.pop("S3_BUCKET_NAME", None)
    tempfile.tempdir = None
    settings.cache_clear()


def _replace(function: Any, by: Any) -> None:
    """Replace a function in all modules that have imported it."""
    for module in [*sys.modules.values()]:
        if getattr(module, "__name__", "").startswith(("stockstream", "duckdb")):
            for name in [name for name, value in vars(module).items() if value is function]:
                if module.__name__ != __name__:
                    setattr(module, name, by)


def _place(uri: str) -> str:
    return uri if uri.startswith("s3://") else os.path.realpath(uri)


def _installation() -> Iterator[Path]:
    """Yield the folders of Python and of installed packages."""
    yield from map(Path, {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()})
    if site.ENABLE_USER_SITE:
        yield Path(site.getusersitepackages())


def importable(paths: Iterable[str]) -> list[Path]:
    """Return the folders from which modules are imported and which are no part of an installation."""
    return [Path(path or os.curdir).resolve() for path in paths if Path(path or os.curdir).is_dir()]
