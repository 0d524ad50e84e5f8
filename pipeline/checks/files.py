"""Read checks from files: a .sql file is one check, a .yml or .yaml file has generic rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stockstream.pipeline.checks.model import SEVERITIES, Check, Tolerance
from stockstream.pipeline.errors import UsageError
from stockstream.sql.errors import did_you_mean
from stockstream.sql.loader import HOME, read
from stockstream.sql.plugins import OURS, folders, taken, warn_of

FOLDER = HOME / "checks"
SUFFIXES = (".sql", ".yml", ".yaml")
_OURS = {"severity", "title", "fix", "blocking", "by_symbol", "tags", "tolerate", "rows_of", "key", "date"}
_OF_SQL_FILES = {
    "name",
    "status",
    "grain",
    "needs",
    "returns",
    "reference",
    "changes",
    "variables",
    "params",
    "example",
}
"""What a header has for readers and generated pages; `sql/README.md` describes these fields."""


def shipped() -> list[Check]:
    """Return the checks of `sql/checks`."""
    return find([FOLDER])


def installed() -> list[Check]:
    """Return the shipped checks and those of installed packages (entry points of the group `stockstream.checks`).

    Raises:
        UsageError: a package has a check with the name of a shipped one, or of another package.
    """
    checks = shipped()
    owners = dict.fromkeys((check.name for check in checks), OURS)
    for plugin, folder in folders("checks"):
        try:
            added = find([folder])
        except UsageError as error:
            warn_of(f"{plugin.package}: {error}")
            continue
        for check in added:
            if check.name in owners:
                raise taken("checks", check.name, owners[check.name], plugin.package)
        owners |= {check.name: plugin.package for check in added}
        checks += added
    return checks


def find(paths: Iterable[Path]) -> list[Check]:
    """Return the checks in files and in folders of files, sorted by name within a folder.

    A header is optional: a .sql file without one is a check of severity `fail` with the name of the file. A file or
    rule that is wrong is returned as a check with an `error`, so that it prevents no other from running.

    Raises:
        UsageError: a file or folder does not exist or cannot be read, a folder has no check, or two have one name.
    """
    checks: list[Check] = []
    for path in paths:
        files = sorted(file for file in path.rglob("[!.]*") if file.suffix in SUFFIXES) if path.is_dir() else [path]
        if not files:
            raise UsageError(f"{path} has no .sql file and no .yml file: name a folder of checks, or a check")
        for file in files:
            checks += _read(file)
    return _without_duplicates(checks)


def _without_duplicates(checks: Iterable[Check]) -> list[Check]:
    """Return the checks without those that come from the same place twice: a folder, and a file in it.

    Raises:
        UsageError: two checks have the same name.
    """
    by_name: dict[str, Check] = {}
    for check in checks:
        other = by_name.setdefault(check.name, check)
        if other != check:
            raise UsageError(f"{_place(other)} and {_place(check)} are both called {check.name}: rename one of them")
    return list(by_name.values())


def _place(check: Check) -> str:
    return f"{check.path}, line {check.line}," if check.path and check.path.suffix != ".sql" else str(check.path)


def _read(path: Path) -> list[Check]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the check {path}: {getattr(error, 'strerror', None) or error}") from None
    if path.suffix != ".sql" and path.suffix in SUFFIXES:
        from stockstream.pipeline.checks.rules import (
            read_rules,
        )  # pydantic and Jinja, which the shipped checks do not need

        return read_rules(path, text)
    if not text.startswith("/* ---"):
        return [Check(path.stem, text, path=path)]
    try:
        return [_with_header(path, text, read(path).header)]
    except ValueError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return [Check(path.stem, text, path=path, error=f"the header of {path.name} is wrong: {reason}")]


def _with_header(path: Path, text: str, header: Any) -> Check:
    """Return a check as its header describes it.

    Raises:
        ValueError: the header is not a mapping, or has an unknown field or a value that cannot be.
    """
    if not isinstance(header, dict):
        raise ValueError("write /* --- YAML --- */ with e.g. `severity: fail`")
    for name in header:
        if name not in _OURS | _OF_SQL_FILES:
            raise ValueError(f"no field is called {name}{did_you_mean(str(name), _OURS | _OF_SQL_FILES)}")
    severity = header.get("severity", "fail")
    if severity not in SEVERITIES:
        raise ValueError(f"severity is {severity}: write {' or '.join(SEVERITIES)}")
    tolerate = Tolerance.parse(header.get("tolerate", 0))
    if tolerate.percent is not None and not header.get("rows_of"):
        raise ValueError("a tolerance in % needs `rows_of: TABLE`, the rows of which it is a share")
    return Check(
        path.stem,
        text,
        severity,
        _text(header, "title"),
        _text(header, "fix"),
        header.get("blocking") is True,
        header.get("by_symbol") is True,
        names_in(header, "tags"),
        tolerate,
        _text(header, "rows_of"),
        names_in(header, "key"),
        _text(header, "date") or "date",
        path,
    )


def _text(header: dict[str, Any], name: str) -> str:
    value = header.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value}: write a text")
    return value


def names_in(header: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return the names in a field that has one name, several with commas, or a list.

    Raises:
        ValueError: it has something else.
    """
    value = header.get(name) or []
    names = re.split(r"\s*,\s*", value.strip()) if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names):
        raise ValueError(f"{name} is {value}: write a name, or a list of names")
    return tuple(names)
