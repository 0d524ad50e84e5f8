"""The alert rules: one SELECT per file, in `sql/alerts/NAME.sql` and in files and folders of the user.

A file that is wrong is a rule with an `error`, which names file and line, so that it stops no other rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from stockstream.pipeline.alerts.model import Severity
from stockstream.pipeline.alerts.query import first_line, line_of, message_of, require_select, tables_in
from stockstream.pipeline.checks.rule_file import Document, as_list
from stockstream.pipeline.errors import UsageError
from stockstream.sql.errors import did_you_mean
from stockstream.sql.loader import HOME, SqlFile, read
from stockstream.sql.plugins import OURS, folders, taken, warn_of

FOLDER = HOME / "alerts"
SESSION = "session"
_HEADER_BEGINS = 1
"""The lines of a file before its YAML."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}

Runs = Literal["live", "batch"]
Names = Annotated[tuple[str, ...], BeforeValidator(as_list)]


def _cooldown(value: object) -> object:
    """Return the time that a text such as 30m means; None for `session`.

    Raises:
        ValueError: it is another text.
    """
    if value == SESSION or value is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,5}) ?([smh])", str(value), re.ASCII)
    if match is None:
        raise ValueError(f"write `session`, or a time such as 90s, 30m or 2h, instead of {value}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


class RuleHeader(BaseModel):
    """The YAML between `/* ---` and `--- */`. Unknown fields are errors, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str
    """The name of the file."""
    title: str
    """One line for `stockstream alerts list`."""
    severity: Severity
    cooldown: Annotated[timedelta | None, BeforeValidator(_cooldown)] = None
    """The time after which the rule alerts about a symbol again; None (`session`): once per session."""
    channels: Names = ("log",)
    runs: Runs = "live"
    """live: while the session is running, on the live bars; batch: after a generation was published."""
    status: Literal["active", "deprecated"] = "active"
    grain: str = "one row per alert"
    needs: Names = ()
    """The views that it reads; `tables` has those that only alert rules have."""
    variables: Names = ()
    """Those that it reads with getvariable(): `session`, in a batch rule."""
    tables: dict[str, str] = {}
    returns: str = "symbol, value, message"
    reference: str = ""
    example: str = ""
    changes: Annotated[tuple[Any, ...], BeforeValidator(as_list)] = ()


@dataclass(frozen=True)
class Rule:
    """An alert rule, or a file that is none, with the reason in `error`."""

    name: str
    path: Path
    header: RuleHeader | None = None
    query: str = ""
    """The SELECT, without the header: as many empty lines are in its place, so that lines are those of the file."""
    reads: frozenset[str] = frozenset()
    """The tables, views and table macros in the query."""
    error: str | None = None
    """What is wrong with the file; it begins with its path and line."""

    @property
    def is_shipped(self) -> bool:
        """Whether it is one of `sql/alerts`."""
        return self.path.parent == FOLDER

    def at_line(self, line: int, reason: str) -> str:
        """Return a message about a line of the file."""
        return f"{_shown(self.path)}, line {line}: {reason}"


COLUMNS = ("symbol", "value", "message")
"""What a rule returns."""


def find_rules(*paths: Path) -> tuple[Rule, ...]:
    """Return the shipped rules, those of installed packages, and those in other files and folders, sorted by name.

    A rule of one's own takes the place of the rule of that name. Packages add rules with entry points of the group
    `stockstream.rules`.

    Raises:
        UsageError: a file or folder does not exist or cannot be read, or a folder has no .sql file; a package has a
            rule with the name of a shipped one, or of another package.
    """
    rules = {rule.name: rule for rule in (*_shipped(), *_added())}
    added: dict[str, Rule] = {}
    for path in paths:
        for rule in _in_folder(path) if path.is_dir() else [_read(path)]:
            other = added.get(rule.name)
            if other is not None and other.path.resolve() != rule.path.resolve():
                reason = f"{other.path} has the same name: rename one of them"
                rule = Rule(f"{rule.name} ({rule.path.parent})", rule.path, error=rule.at_line(1, reason))
            added[rule.name] = rule
    return tuple(sorted({**rules, **added}.values(), key=lambda rule: rule.name))


def rule_named(rules: Sequence[Rule], name: str) -> Rule:
    """Return the rule of a name.

    Raises:
        UsageError: there is none; the message suggests the most similar names.
    """
    for rule in rules:
        if rule.name == name:
            return rule
    names = [rule.name for rule in rules]
    raise UsageError(
        f"there is no alert rule {name}{did_you_mean(name, names) or ': `stockstream alerts list` has all'}"
    )


@cache
def _shipped() -> list[Rule]:
    return _in_folder(FOLDER)


@cache
def _added() -> list[Rule]:
    owners = dict.fromkeys((rule.name for rule in _shipped()), OURS)
    added: list[Rule] = []
    for plugin, folder in folders("rules"):
        try:
            rules = _in_folder(folder)
        except UsageError as error:
            warn_of(f"{plugin.package}: {error}")
            continue
        if clash := next((rule.name for rule in rules if rule.name in owners), None):
            raise taken("rules", clash, owners[clash], plugin.package)
        owners |= {rule.name: plugin.package for rule in rules}
        added += rules
    return added


def _in_folder(folder: Path) -> list[Rule]:
    files = sorted(file for file in folder.rglob("[!.]*.sql"))
    if not files:
        raise UsageError(f"{folder} has no .sql file: name a folder of alert rules, or a rule")
    return [_read(file) for file in files]


def _read(path: Path) -> Rule:
    nothing = Rule(path.stem, path)
    try:
        return _with_query(path, read(path))
    except _WrongError as error:
        return Rule(path.stem, path, error=nothing.at_line(error.line, error.reason))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the alert rule {path}: {getattr(error, 'strerror', None) or error}") from None
    except ValueError as error:
        reason = str(error).removeprefix(f"{_shown(path)}").lstrip(": ")
        return Rule(path.stem, path, error=nothing.at_line(_yaml_line(error), " ".join(reason.split())))


@dataclass
class _WrongError(Exception):
    line: int
    reason: str


def _with_query(path: Path, file: SqlFile) -> Rule:
    """Return a rule; its query is parsed, but its tables are not looked for.

    Raises:
        _WrongError: the header or the query is wrong.
    """
    text = file.text[: -len(file.body)] if file.body else file.text
    header = _header(path, text)
    query = "\n" * text.count("\n") + file.body
    with duckdb.connect() as con:
        try:
            require_select(con, query)
            reads = tables_in(con, query)
        except duckdb.Error as error:
            raise _WrongError(line_of(error, query), message_of(error)) from None
        except ValueError as error:
            raise _WrongError(first_line(query), str(error)) from None
    return Rule(header.name, path, header, query.rstrip().rstrip(";"), reads)


def _header(path: Path, text: str) -> RuleHeader:
    yaml_text = text.split("\n", 1)[1].rsplit("--- */", 1)[0]
    try:
        document = Document(yaml_text)
        header = RuleHeader.model_validate(document.value)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _WrongError((mark.line if mark else 0) + 1 + _HEADER_BEGINS, f"the header is not YAML: {error}") from None
    except ValidationError as error:
        raise _wrong_field(document, error) from None
    except ValueError as error:
        raise _WrongError(1, f"the header is wrong: {error}") from None
    if header.name != path.stem:
        line = document.line("name") + _HEADER_BEGINS
        raise _WrongError(line, f"name is {header.name}: the file must be called {header.name}.sql")
    return header


def _wrong_field(document: Document, error: ValidationError) -> _WrongError:
    """Return what is wrong with a field, an unknown or a missing one, and in which line."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    line = document.line(*first["loc"][:1]) + _HEADER_BEGINS
    if first["type"] == "missing":
        return _WrongError(1, f"the header lacks {field}")
    if first["type"] == "extra_forbidden":
        return _WrongError(line, f"no field is called {field}{did_you_mean(field, RuleHeader.model_fields)}")
    return _WrongError(line, f"{field}: {first['msg'].removeprefix('Value error, ')}")


def _yaml_line(error: ValueError) -> int:
    match = re.search(r"line (\d+), column", str(error))
    return int(match[1]) + _HEADER_BEGINS if match else 1


def _shown(path: Path) -> str:
    return f"sql/{path.relative_to(HOME)}" if path.is_relative_to(HOME) else str(path)


def live_rules(rules: Iterable[Rule]) -> list[Rule]:
    """Return the rules that run on live bars, without wrong files."""
    return [rule for rule in rules if rule.header is not None and rule.header.runs == "live"]
