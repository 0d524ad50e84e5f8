"""Runs a user's file, such as `my.py`, which has strategies or functions of costs, as a module."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from stockstream.sql.errors import UsageError

PREFIX = "stockstream_file_"
"""Beginning of the module names of users' files."""
BARE_NAMES = ("analytics", "pipeline", "sql")
"""Import names of the packages before they moved below `stockstream`."""
ROOT = Path(__file__).resolve().parents[3]
"""The folder of these packages. If it is on the path, as in a checkout, a bare name would import them a second time."""


def module_of(path: Path) -> ModuleType:
    """Run a user's file as a module, and return it.

    Each file has a name of its own among the modules, so that several can be used together.

    Raises:
        UsageError: there is no such file, or it fails.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    name = f"{PREFIX}{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _imports_of(path.parent.resolve()):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{error.filename or path}, line {error.lineno}: {error.msg}") from None
    except Exception as error:
        if isinstance(error, ImportError) and error.name in BARE_NAMES:
            raise UsageError(f"{path} imports {error.name}: write stockstream.{error.name} instead") from None
        raise UsageError(f"{path} failed: {type(error).__name__}: {error}") from None
    return module


@contextmanager
def _imports_of(folder: Path) -> Iterator[None]:
    """Let a strategy file import the modules beside it, but not this project under its bare names."""
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, _BareNames)
    try:
        yield
    finally:
        sys.meta_path.remove(_BareNames)
        sys.path.remove(str(folder))


class _BareNames:
    """An import hook that rejects a bare name of this project, but not another package of that name (jupysql)."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raise ModuleNotFoundError for a bare name that no other package provides; ignore other names."""
        if name in BARE_NAMES:
            spec = PathFinder.find_spec(name)
            places = [Path(place).resolve() for place in spec.submodule_search_locations or ()] if spec else []
            if spec is None or ROOT / name in places:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None
