"""Settings as fields of a dataclass: each field has the variable that sets it, and is read from its text.

In plain Python, because pydantic takes a fifth of a second to import, for which every command would wait.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import date
from math import isfinite
from typing import Any, Self

from stockstream.pipeline.env_file import read_env_file, refuse_sensitive
from stockstream.pipeline.errors import UsageError

Convert = Callable[[Any], Any]
"""A function that checks the value of a setting and returns it as it is used; ValueError with what to write instead."""


@dataclass(frozen=True)
class Secret:
    """A text that is not shown, such as a key."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class Variable:
    """What a field says about its setting."""

    name: str
    """The variable of the environment or of `.env`."""
    description: str
    minimum: float | None = None
    convert: Convert | None = None


def setting(
    default: object, name: str, description: str, *, minimum: float | None = None, convert: Convert | None = None
) -> Any:
    """Return the field of a setting; `convert` takes its value and returns that of the field.

    The type of the field is one of `_READERS`, or that or None.
    """
    metadata = {"variable": Variable(name, description, minimum, convert)}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class EnvironmentSettings:
    """Base class of settings that are read from environment variables and from the file `.env`.

    A source with settings of its own declares a subclass in its module.
    """

    @classmethod
    def variables(cls) -> list[str]:
        """Return the names of the variables."""
        return [one.metadata["variable"].name for one in fields(cls)]

    @classmethod
    def read(cls) -> Self:
        """Read the settings and check them. The environment has precedence; an empty text does not count.

        Raises:
            UsageError: a value is wrong, or stands in `.env` and must not; the message names its variable.
        """
        refuse_sensitive(cls.variables())
        texts = {name.upper(): text for name, text in (*read_env_file().items(), *os.environ.items()) if text}
        values: dict[str, Any] = {}
        wrong: list[str] = []
        for one in fields(cls):
            variable: Variable = one.metadata["variable"]
            if variable.name.upper() in texts:
                try:
                    values[one.name] = _value(texts[variable.name.upper()], str(one.type), variable)
                except ValueError as error:
                    wrong.append(f"{variable.name}: {error}")
        if wrong:
            raise UsageError(f"settings (environment or .env): {'; '.join(wrong)}")
        return cls(**values)


def _value(text: str, kind: str, variable: Variable) -> Any:
    value = _READERS[kind.removesuffix(" | None")](text)
    if variable.minimum is not None and value < variable.minimum:
        raise ValueError(f"Input should be greater than or equal to {variable.minimum}")
    return variable.convert(value) if variable.convert else value


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"\s*[+-]?[0-9]+\s*", text):
        raise ValueError("write a whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text) if text.isascii() else float("nan")
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ValueError("write a number")
    return value


def _switch(text: str) -> bool:
    lower = text.strip().lower()
    if lower in ("1", "true", "yes", "on", "t", "y"):
        return True
    if lower in ("0", "false", "no", "off", "f", "n"):
        return False
    raise ValueError("write true or false")


def _day(text: str) -> date:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text.strip()):
            return date.fromisoformat(text.strip())
    except ValueError:
        pass
    raise ValueError("write a day as YYYY-MM-DD")


def _list(text: str) -> list[str]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("write a JSON list of texts")
    return values


_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": _whole_number,
    "float": _number,
    "bool": _switch,
    "date": _day,
    "list[str]": _list,
    "Secret": Secret,
}
