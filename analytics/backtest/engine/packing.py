"""Rows of JSON values for the records of an account, and back. They are equal to the last bit: JSON keeps floats."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_type_hints

T = TypeVar("T")


@cache
def _parsers(kind: Hashable) -> dict[str, Callable[[str], Any] | None]:
    """Return the field names of a dataclass or NamedTuple, each with the function that reads its JSON text, if any."""
    return {name: _parser(hint) for name, hint in get_type_hints(kind).items() if not name.startswith("_")}


def _parser(hint: Any) -> Callable[[str], Any] | None:
    kinds = [one for one in (*get_args(hint), hint) if isinstance(one, type)]
    if date in kinds:
        return date.fromisoformat
    return next((one for one in kinds if issubclass(one, StrEnum)), None)


def pack(record: Any) -> list[Any]:
    """Return the field values of a dataclass or NamedTuple, as JSON has them."""
    values = [getattr(record, name) for name in _parsers(cast(Hashable, type(record)))]
    return [value.isoformat() if isinstance(value, date) else value for value in values]


def pack_all(records: Iterable[Any]) -> list[list[Any]]:
    """Return the rows of several records."""
    return [pack(record) for record in records]


def unpack(kind: type[T], row: list[Any]) -> T:
    """Return the record of a row of `pack`."""
    values = {}
    for (name, parser), value in zip(_parsers(cast(Hashable, kind)).items(), row, strict=True):
        values[name] = value if value is None or parser is None else parser(value)
    return cast(Callable[..., T], kind)(**values)


def unpack_all(kind: type[T], rows: Iterable[list[Any]]) -> list[T]:
    """Return the records of rows of `pack_all`."""
    return [unpack(kind, row) for row in rows]
