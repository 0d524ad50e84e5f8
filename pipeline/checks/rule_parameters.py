"""The parameters of each kind of generic rule. A kind has a model here and a template in templates/."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from typing_extensions import override

from stockstream.pipeline.checks.rule_file import as_list

Columns = Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)]
Limit = Annotated[datetime | date | int | float | str | None, Field(union_mode="smart")]


def _share(value: object) -> object:
    """Return the share in a text such as `20 %`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", str(value).strip(), re.ASCII)
    if match is None:
        raise ValueError(f"{value}: write a share as e.g. 20 %")
    return float(match[1]) / 100


Share = Annotated[float, BeforeValidator(_share)]


class Parameters(BaseModel, ABC):
    """The parameters of a rule."""

    model_config = ConfigDict(extra="forbid")

    @property
    def named(self) -> tuple[str, ...]:
        """Return what the name of the check has after table and kind."""
        return tuple(getattr(self, "columns", ()))

    def key_of_result(self, key: tuple[str, ...], date: str) -> tuple[str, ...]:
        """Return the columns of the result that identify a bad row; empty: all but `detail`."""
        return key

    @abstractmethod
    def title(self, table: str, date: str) -> str:
        """Return what a bad row is."""


class _OfColumns(Parameters):
    """A rule about columns, which has only these in the short form: `unique: [symbol, date]`."""

    columns: Columns

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"columns": value} if isinstance(value, str | list) else value


class Unique(_OfColumns):
    """No two rows have the same values in these columns; NULLs are equal."""

    @override
    def key_of_result(self, key: tuple[str, ...], date: str) -> tuple[str, ...]:
        return self.columns

    @override
    def title(self, table: str, date: str) -> str:
        return f"A combination of {', '.join(self.columns)} that more than one row of {table} has."


class NotNull(_OfColumns):
    """No row has NULL in any of these columns."""

    @override
    def title(self, table: str, date: str) -> str:
        return f"A row of {table} with NULL as {' or '.join(self.columns)}."


class Range(_OfColumns):
    """No value is outside limits: `min` and `max` are allowed values, `above` and `below` are not. NULL passes."""

    min: Limit = None
    max: Limit = None
    above: Limit = None
    below: Limit = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> Range:
        if not self.limits:
            raise ValueError("write at least one of min, max, above, below")
        return self

    @property
    def limits(self) -> dict[str, Any]:
        """Return the limits by the operator of a value inside."""
        limits = {">=": self.min, "<=": self.max, ">": self.above, "<": self.below}
        return {operator: limit for operator, limit in limits.items() if limit is not None}

    @property
    def admits_nan(self) -> bool:
        """Return whether NaN, which DuckDB sorts after infinity, would be inside the limits: there is no upper one."""
        return self.limits.keys() <= {">=", ">"} and all(isinstance(one, int | float) for one in self.limits.values())

    @override
    def title(self, table: str, date: str) -> str:
        limits = " and ".join(f"{operator} {limit}" for operator, limit in self.limits.items())
        return f"A row of {table} whose {' or '.join(self.columns)} is not {limits}."


class AcceptedValues(_OfColumns):
    """No value is missing in a list. NULL passes."""

    values: list[bool | int | float | date | str] = Field(min_length=1)

    @override
    def title(self, table: str, date: str) -> str:
        return f"A row of {table} whose {' or '.join(self.columns)} is none of {len(self.values)} accepted values."


class Recency(Parameters):
    """The newest row, per group if `by` has columns, is not older than `within`: `3 days`, `12 hours`."""

    within: Annotated[str, Field(pattern=r"^[1-9]\d{0,5} (hours?|days?)$")]
    by: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()

    @override
    def key_of_result(self, key: tuple[str, ...], date: str) -> tuple[str, ...]:
        return (*self.by, date)

    @override
    def title(self, table: str, date: str) -> str:
        return f"The newest {date} of {table} is more than {self.within} old."


class RowCount(Parameters):
    """The number of rows is in limits, or that of each date within a share of the average of the dates before it."""

    min: int | None = Field(None, ge=0)
    max: int | None = Field(None, ge=0)
    within: Share | None = None
    dates: int = Field(20, ge=1)

    @model_validator(mode="after")
    def _has_one_form(self) -> RowCount:
        if (self.within is None) == (self.min is None and self.max is None):
            raise ValueError(
                "write min and max for the whole table, or `within: 20 %` of the average of the dates before"
            )
        return self

    @property
    @override
    def named(self) -> tuple[str, ...]:
        return () if self.within is None else ("of_date",)

    @override
    def key_of_result(self, key: tuple[str, ...], date: str) -> tuple[str, ...]:
        return () if self.within is None else (date,)

    @override
    def title(self, table: str, date: str) -> str:
        if self.within is None:
            return f"{table} has too few or too many rows."
        return f"A {date} of {table} with {100 * self.within:g} % more or fewer rows than the {self.dates} before it."


class SequentialSessions(Parameters):
    """Each group has a row on every session between its first and last one, and on no other day."""

    by: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()
    sessions: str = "sessions"
    """The table with the sessions, in its column `date`; a lake has `sessions`."""

    @override
    def key_of_result(self, key: tuple[str, ...], date: str) -> tuple[str, ...]:
        return (*self.by, date)

    @override
    def title(self, table: str, date: str) -> str:
        return f"A session without a row of {table}, or a row on a day that is no session."


class ExistsIn(_OfColumns):
    """Every combination of values is one in another table. A combination with NULL passes, as in a foreign key."""

    table: str
    other_columns: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()
    """The columns of the other table; empty: they have the same names."""

    @model_validator(mode="after")
    def _has_as_many(self) -> ExistsIn:
        if self.other_columns and len(self.other_columns) != len(self.columns):
            raise ValueError("columns and other_columns have different lengths")
        return self

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the pairs of columns to compare."""
        return list(zip(self.columns, self.other_columns or self.columns, strict=True))

    @override
    def title(self, table: str, date: str) -> str:
        return f"A row of {table} whose {', '.join(self.columns)} {self.table} does not have."


class SameTotals(Parameters):
    """Another table has the same number of rows, or the same sums of columns, in total or per group."""

    table: str
    sums: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()
    """The columns to add up; empty: rows are counted."""
    by: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()
    within: Share | None = None
    """The share of the larger total by which the two may differ; None: numbers of rows are the same, sums nearly."""

    @property
    def share(self) -> float | None:
        """Return the share by which totals may differ: sums of doubles do so in their last digits."""
        return 1e-9 if self.within is None and self.sums else self.within

    @property
    @override
    def named(self) -> tuple[str, ...]:
        return ("in", self.table.replace(".", "_"), *self.sums)

    @override
    def key_of_result(self, key: tuple[str, ...], date: str) -> tuple[str, ...]:
        return self.by

    @override
    def title(self, table: str, date: str) -> str:
        what = f"sums of {', '.join(self.sums)}" if self.sums else "numbers of rows"
        return f"{table} and {self.table} have different {what}."


class RuleKinds(BaseModel):
    """The kinds of rules, of which a rule has one."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    unique: Unique | None = None
    not_null: NotNull | None = None
    range: Range | None = None
    accepted_values: AcceptedValues | None = None
    recency: Recency | None = None
    row_count: RowCount | None = None
    sequential_sessions: SequentialSessions | None = None
    exists_in: ExistsIn | None = None
    same_totals: SameTotals | None = None


KINDS: dict[str, type[Parameters]] = {
    "unique": Unique,
    "not_null": NotNull,
    "range": Range,
    "accepted_values": AcceptedValues,
    "recency": Recency,
    "row_count": RowCount,
    "sequential_sessions": SequentialSessions,
    "exists_in": ExistsIn,
    "same_totals": SameTotals,
}
