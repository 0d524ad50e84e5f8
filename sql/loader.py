"""Find and read the SQL files. One loader for the shell, Python, the pipeline and CI."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HOME = Path(__file__).parent
"""The folder of the SQL files, in a checkout as in an installed wheel."""

_HEADER = re.compile(r"\A/\* ---\n(?P<yaml>.*?)\n--- \*/\n", re.DOTALL)


@dataclass(frozen=True)
class SqlFile:
    """One SQL file: its header (the YAML between `/* ---` and `--- */`) and its text."""

    path: Path
    header: dict[str, Any] = field(compare=False)
    text: str


@cache
def load(name: str) -> SqlFile:
    """Read one file by its path below `sql/`, without the ending: `load("views/bars")`; errors as in `read`."""
    return read(HOME / f"{name}.sql")


def read(path: Path) -> SqlFile:
    """Read any file with a header.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it does not open with a header, or the header is not YAML.
    """
    text = path.read_text(encoding="utf-8")
    name = f"sql/{path.relative_to(HOME)}" if path.is_relative_to(HOME) else path
    match = _HEADER.match(text)
    if match is None:
        raise ValueError(f"{name} does not open with a /* --- YAML --- */ header")
    try:
        header = yaml.safe_load(match["yaml"])
    except yaml.YAMLError as error:
        raise ValueError(f"{name}: the header is not YAML: {error}") from None
    return SqlFile(path, header, text)


@cache
def views() -> tuple[str, ...]:
    """Give the names of the files that make the views, in the order in which `init.sql` reads them."""
    script = (HOME / "init.sql").read_text(encoding="utf-8")
    return tuple(re.findall(r"^\.read sql/(views/\w+)\.sql$", script, re.MULTILINE))


@cache
def macros() -> tuple[str, ...]:
    """Give the names of the files that make the indicators, in the order in which `indicators/init.sql` reads them."""
    script = (HOME / "indicators/init.sql").read_text(encoding="utf-8")
    return tuple(re.findall(r"^\.read sql/([\w/]+)\.sql$", script, re.MULTILINE))


def views_for(*names: str) -> tuple[str, ...]:
    """Give of `views()` those that some files need by their headers, and what these need in turn, in the same order."""
    files = {load(name).header["name"]: name for name in views()}
    found: set[str] = set()
    asked = list(names)
    while asked:
        name = asked.pop()
        if name in files.values():
            found.add(name)
        asked += [files[need] for need in load(name).header["needs"] if need in files and files[need] not in found]
    return tuple(name for name in views() if name in found)
