"""Conditions on the view `screen` in an address: `rsi_14<30,value>1000000`, and the SQL that they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from stockstream.analytics.serving.problems import Problem
from stockstream.sql.errors import did_you_mean
from stockstream.sql.loader import load

_CONDITION = re.compile(
    r"\s*(?P<left>[a-z]\w*)\s*((?P<operator><=|>=|<>|!=|<|>|=)\s*(?P<right>[a-z]\w*|[+-]?\d+(\.\d+)?(e[+-]?\d+)?))?\s*",
    re.ASCII | re.IGNORECASE,
)
TEXTS = ("symbol", "name", "sector", "date")
FLAGS = ("is_new_high", "is_new_low")


@dataclass(frozen=True)
class Condition:
    """A condition: `left operator right`, or a flag alone; `right` is a number or another column."""

    left: str
    operator: str = ""
    right: str = ""

    @property
    def sql(self) -> str:
        """The condition in SQL."""
        return f"{self.left} {self.operator} {self.right}" if self.operator else self.left

    @property
    def text(self) -> str:
        """The condition in an address."""
        return f"{self.left}{self.operator}{self.right}"


@cache
def columns() -> tuple[str, ...]:
    """Return the columns of the view `screen`, from its header."""
    returns = re.sub(r"\([^)]*\)", "", load("views/screen").header["returns"])
    return tuple(name.strip() for name in returns.split(","))


def numbers() -> tuple[str, ...]:
    """Return the columns that are numbers."""
    return tuple(name for name in columns() if name not in (*TEXTS, *FLAGS))


def conditions_of(text: str) -> tuple[Condition, ...]:
    """Return the conditions in a text, with commas between them.

    Raises:
        Problem: one is none, or names no column (422).
    """
    return tuple(_condition(part) for part in text.split(",") if part.strip())


def query_of(conditions: Sequence[Condition], order: str) -> str:
    """Return the SQL of a screen; `order` is a column, with `-` before it the largest first.

    Raises:
        Problem: `order` names no column (422).
    """
    name = order.removeprefix("-")
    if name not in columns():
        raise Problem(422, f"order: {_unknown(name, columns())}", parameter="order")
    where = f" WHERE {' AND '.join(condition.sql for condition in conditions)}" if conditions else ""
    by = f"{name} DESC NULLS LAST" if order.startswith("-") else f"{name} NULLS LAST"
    return f"FROM screen{where} ORDER BY {by}{'' if name == 'symbol' else ', symbol'}"


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise Problem(
            422, f"where: {text.strip()} is no condition: write rsi_14<30 or close>sma_200", parameter="where"
        )
    left, right = match["left"].lower(), (match["right"] or "").lower()
    if match["operator"] is None:
        if left not in FLAGS:
            raise Problem(422, f"where: {left} alone is no condition: write {left}>0", parameter="where")
        return Condition(left)
    for name in (left, *([right] if right[0].isalpha() else [])):
        if name not in numbers():
            raise Problem(422, f"where: {_unknown(name, numbers())}", parameter="where")
    return Condition(left, match["operator"].replace("!=", "<>"), right)


def _unknown(name: str, names: Sequence[str]) -> str:
    return f"there is no column {name}{did_you_mean(name, names) or f'; there are {chr(44).join(names)}'}"
