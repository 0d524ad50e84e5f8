"""Generic rules: what a .yml file beside the checks in SQL says about tables, as checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from stockstream.pipeline.checks.model import Check, Tolerance
from stockstream.pipeline.checks.rule_file import Document, as_list
from stockstream.pipeline.checks.rule_parameters import KINDS, RuleKinds
from stockstream.pipeline.checks.templates import render
from stockstream.sql.errors import did_you_mean

Names = Annotated[tuple[str, ...], BeforeValidator(as_list)]


class Rule(RuleKinds):
    """One rule of a table: its kind with parameters, and what every check may have."""

    name: str = ""
    title: str = ""
    severity: Literal["fail", "warn"] = "fail"
    fix: str = ""
    tags: Names = ()
    tolerate: Annotated[Tolerance, BeforeValidator(Tolerance.parse)] = Tolerance()
    where: str = ""
    """The rows that the rule applies to, as a condition in SQL."""

    @model_validator(mode="after")
    def _is_one_rule(self) -> Rule:
        if len(self.kinds) != 1:
            raise ValueError(f"a rule has one of the keys {', '.join(KINDS)}")
        return self

    @property
    def kinds(self) -> list[str]:
        """Return the kinds that the rule has: one, if it is valid."""
        return [name for name in KINDS if getattr(self, name) is not None]


class TableRules(BaseModel):
    """A table of a file: its key and date columns, and its rules."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: Names = ()
    """The columns that identify a row, which findings show and baselines compare; empty: the whole row."""
    date: str = "date"
    where: str = ""
    tags: Names = ()
    rules: list[Any] = Field(min_length=1)


def read_rules(path: Path, text: str) -> list[Check]:
    """Return the checks of a file; a rule that is wrong, or all of a wrong table or file, is a check with an error."""
    try:
        document = Document(text)
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        return [Check(path.name, "", path=path, error=f"{path.name} is no file of rules: {reason}")]
    tables = document.value.get("tables")
    if list(document.value) != ["tables"] or not isinstance(tables, dict) or not tables:
        wrong = next((name for name in document.value if name != "tables"), "")
        reason = f"{wrong}: no key is called so{did_you_mean(str(wrong), ['tables'])}; " if wrong else ""
        message = f"{path.name}, line {document.line(wrong)}: {reason}write `tables:`, and below it the names of tables"
        return [Check(path.name, "", path=path, line=document.line(wrong), error=message)]
    return [check for table in tables for check in _table(path, document, str(table))]


def _table(path: Path, document: Document, table: str) -> list[Check]:
    """Return the checks of a table."""
    place = ("tables", table)
    try:
        rules = TableRules.model_validate(document.at(place))
    except ValidationError as error:
        return [_wrong(path, document, place, f"{path.name}:{table}", error, TableRules)]
    checks = []
    for number, entry in enumerate(rules.rules):
        here = (*place, "rules", number)
        try:
            rule = Rule.model_validate(entry)
            checks.append(_check(path, document.line(*here), table, rules, rule))
        except ValidationError as error:
            name = entry.get("name") if isinstance(entry, dict) else None
            checks.append(_wrong(path, document, here, str(name or f"{path.name}:{table}:{number + 1}"), error, Rule))
    return checks


def _check(path: Path, line: int, table: str, rules: TableRules, rule: Rule) -> Check:
    (kind,) = rule.kinds
    parameters = getattr(rule, kind)
    where = " AND ".join(f"({one.strip()})" for one in (rules.where, rule.where) if one.strip())
    sql, rows = render(kind, table, parameters, rules.key, rules.date, where)
    key = parameters.key_of_result(rules.key, rules.date)
    return Check(
        rule.name or "_".join([f"{table}__{kind}", *parameters.named]),
        sql,
        rule.severity,
        rule.title or parameters.title(table, rules.date),
        rule.fix,
        tags=tuple(dict.fromkeys((*rules.tags, *rule.tags))),
        tolerate=rule.tolerate,
        rows_of=rows,
        key=key,
        date=rules.date,
        path=path,
        line=line,
    )


def _wrong(
    path: Path,
    document: Document,
    place: Sequence[str | int],
    name: str,
    error: ValidationError,
    model: type[BaseModel],
) -> Check:
    """Return a check that reports what is wrong, and in which line; unknown keys with the similar ones."""
    first = error.errors()[0]
    where = [*place, *first["loc"]]
    line = document.line(*where)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        owner = model if len(first["loc"]) == 1 else KINDS[str(first["loc"][0])]
        message = f"no key is called so{did_you_mean(str(first['loc'][-1]), owner.model_fields)}"
    key = ".".join(str(part) for part in where[1:] if isinstance(part, str))
    return Check(name, "", path=path, line=line, error=f"{path.name}, line {line}, {key}: {message}")
