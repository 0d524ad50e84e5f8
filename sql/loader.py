"""Find, read and order the SQL files. The Python interface, the shell, the pipeline and CI all use this module."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent
"""The folder that contains the SQL files, in a checkout and in an installed wheel."""

_HEADER = re.compile(r"\A/\* ---\n(?P<yaml>.*?)\n--- \*/\n", re.DOTALL)


@dataclass(frozen=True)
class SqlFile:
    """A SQL file: its path, its header (the YAML between `/* ---` and `--- */`), and its text, header included."""

    path: Path
    text: str

    @cached_property
    def header(self) -> dict[str, Any]:
        """The header; it is parsed when it is needed, because opening a connection needs the text of the files only.

        Raises:
            ValueError: the header is not YAML.
        """
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser, because there are about 100 headers
        match = _HEADER.match(self.text)
        try:
            header: dict[str, Any] = yaml.load(match["yaml"], Loader=loader) if match else {}
        except yaml.YAMLError as error:
            raise ValueError(f"{_shown(self.path)}: the header is not YAML: {error}") from None
        return header

    @property
    def body(self) -> str:
        """The text without the header."""
        return self.text.split("--- */\n", 1)[1]


@cache
def load(name: str) -> SqlFile:
    """Return the file at a path below `sql/`, without the suffix: `load("views/bars")`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file does not start with a header.
    """
    return _opened(HOME / f"{name}.sql")


def read(path: Path) -> SqlFile:
    """Read a SQL file that starts with a header.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file does not start with a header, or the header is not YAML.
    """
    file = _opened(path)
    _ = file.header
    return file


def _opened(path: Path) -> SqlFile:
    text = path.read_text(encoding="utf-8")
    if _HEADER.match(text) is None:
        raise ValueError(f"{_shown(path)} does not open with a /* --- YAML --- */ header")
    return SqlFile(path, text)


def _shown(path: Path) -> str:
    return f"sql/{path.relative_to(HOME)}" if path.is_relative_to(HOME) else str(path)


@cache
def rules() -> tuple[str, ...]:
    """Return the names of the files with the scalar macros that the views share, each after those that it needs."""
    return _in_order("rules")


@cache
def views() -> tuple[str, ...]:
    """Return the names (as for `load`) of the files that create the views, each after the files that it needs."""
    return _in_order("views")


@cache
def macros() -> tuple[str, ...]:
    """Return the names of the files that create the indicators: first kernels, then all versions, last the aliases.

    The aliases are the names of the indicators without a version.
    """
    kernels = _in_order("indicators/kernels")
    return (
        *kernels,
        *(name for name in _names("indicators", "**/*_v*.sql") if name not in kernels),
        "indicators/aliases",
    )


def views_for(*names: str) -> tuple[str, ...]:
    """Return the files of `views()` that files need, directly or indirectly, in the order of `views()`.

    `names` are files of any kind; those that are views themselves are included.
    """
    files = {load(name).header["name"]: name for name in views()}
    needed: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name in views():
            needed.add(name)
        queue += [files[need] for need in load(name).header["needs"] if need in files and files[need] not in needed]
    return tuple(name for name in views() if name in needed)


def _names(folder: str, pattern: str = "*.sql") -> list[str]:
    return sorted(path.relative_to(HOME).with_suffix("").as_posix() for path in (HOME / folder).glob(pattern))


def _in_order(folder: str) -> tuple[str, ...]:
    """Return the files of a folder, each after those in its `needs`; otherwise in alphabetical order."""
    files = {load(name).header["name"]: name for name in _names(folder)}
    prefix = f"{folder}/"
    needs = {
        name: [need for raw in load(files[name]).header["needs"] if (need := raw.removeprefix(prefix)) in files]
        for name in files
    }
    return tuple(files[name] for name in _sorted(needs))


def _sorted(needs: Mapping[str, Iterable[str]]) -> Iterable[str]:
    """Yield the names in topological order; names that do not depend on each other in alphabetical order."""
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from ready
        sorter.done(*ready)
