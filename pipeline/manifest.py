"""The manifest: which files are the lake's silver tables at one generation. This is the only definition of its format.

`state/manifests/000042.json` is put only if there is no such object yet: that put is the commit. `state/current.json`
(the pointer) is a copy of the newest manifest under a fixed name, for readers. Files that a manifest names are never
changed. Both begin with their own checksum (`pipeline.sealing`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import duckdb
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

from stockstream.pipeline.batch_names import BatchNames
from stockstream.pipeline.errors import NewerFormat
from stockstream.pipeline.sealing import is_sealed, seal, unseal

FORMAT = 2
"""The newest format of a manifest that this program reads, and the one that it writes."""


_KEY = re.compile(r"^silver/([^/\\\0]+/)*[^/\\\0]+\.parquet$")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class DataFile(_Model):
    """One immutable Parquet file in the lake, with the figures that were verified before it was published."""

    key: str
    """Below the lake's URI: silver/bars/000042-base-1f0c9a3e.parquet."""
    rows: int
    bytes: int
    sha256: str
    symbols: int
    """The number of different symbols."""
    first_date: date | None = None
    last_date: date | None = None

    @field_validator("key")
    @classmethod
    def _refuse_other_folders(cls, key: str) -> str:
        if not _KEY.match(key) or ".." in key.split("/"):
            raise ValueError(
                f"{key!r} is no key of a silver file: it would be read or deleted outside the lake's silver/"
            )
        return key


class Table(_Model):
    """A silver table: the rows of `base` for all symbols except the restated ones, and all rows of `delta`.

    `base` is large and seldom written. `delta` has the newest sessions of every symbol, and the whole history of the
    symbols whose past has changed since `base` was written (`restated`). No row is valid in both parts, so that reading
    a table needs no merge.
    """

    base: tuple[DataFile, ...] = ()
    delta: tuple[DataFile, ...] = ()
    # The stored keys of the first release stay: a reader that does not know a key ignores it silently.
    restated: tuple[str, ...] = Field(
        (), validation_alias=AliasChoices("moved", "restated"), serialization_alias="moved"
    )
    through: date | None = None
    """The last day that `base` covers, for every symbol."""
    stable_through: date | None = Field(
        None, validation_alias=AliasChoices("settled", "stable_through"), serialization_alias="settled"
    )
    """Rows of `delta` up to this day do not change until `base` is written again, unless their symbol is
    restated: rows that are computed from them may be kept."""
    made_from: dict[str, str] = {}
    """The checkpoint: the inputs that the table was computed from. A step that finds the same inputs does nothing."""
    sql: dict[str, str] = {}
    """The SQL files that computed the table, with the sha256 of their text."""
    generation: int = 0
    """The generation that published this version of the table."""

    @property
    def files(self) -> tuple[DataFile, ...]:
        """The files of both parts."""
        return self.base + self.delta


@dataclass(frozen=True)
class Change:
    """What a step changes in the lake; everything else stays as it is in the generation before."""

    tables: Mapping[str, Table | None]
    """Tables that are new or replaced, by name; None removes a table."""
    inputs: tuple[str, ...] = ()
    """Batch files that this generation is the first to hold."""
    consolidated: tuple[str, ...] | None = None
    """All batch files that are in silver from now on; None: as before."""
    set_aside: tuple[str, ...] | None = None
    """All batch files that readers ignore from now on; None: as before."""
    restores: int | None = None
    """The generation whose tables a rollback publishes again."""

    def then(self, later: Change) -> Change:
        """Return both changes as one; where both change the same thing, the later one counts."""
        return Change(
            tables={**self.tables, **later.tables},
            inputs=self.inputs + later.inputs,
            consolidated=self.consolidated if later.consolidated is None else later.consolidated,
            set_aside=self.set_aside if later.set_aside is None else later.set_aside,
            restores=self.restores if later.restores is None else later.restores,
        )


class Manifest(_Model):
    """One generation of the lake; generation 0 is a lake without silver.

    Raises:
        NewerFormat: (when a manifest is parsed) a newer version of this program has written it.
    """

    format: int = 1
    """Of the manifest; manifests without it have format 1."""
    generation: int = 0
    parent: int | None = None
    created_at: str = ""
    """ISO 8601 UTC, by the writer's clock."""
    writer: str = ""
    step: str = ""
    """What published it: run (all tables of a run at once), consolidate, metadata, vacuum, rollback, or the name of a
    derived table's step."""
    restores: int | None = None
    """For a rollback: the generation whose tables these are."""
    inputs: BatchNames = ()
    """The files of raw-data/ that this generation is the first to hold."""
    tables: dict[str, Table] = {}
    consolidated: BatchNames = ()
    """The files of raw-data/ that are in silver, which readers skip. Files that no longer exist are not named."""
    set_aside: BatchNames = ()
    """The files of raw-data/ that a rollback left out; readers ignore them."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_newer(cls, data: Any) -> Any:
        number = data.get("format") if isinstance(data, dict) else None
        if isinstance(number, int) and number > FORMAT:
            raise NewerFormat(
                f"the lake was written by a newer Stock Stream (format {number}; this one reads up to {FORMAT}): "
                "upgrade stock-stream"
            )
        return data

    def table(self, name: str) -> Table:
        """Return a table; an empty one if there is no such table."""
        return self.tables.get(name, Table())

    def next(self, change: Change, step: str) -> Manifest:
        """Return the manifest of the next generation: this one with a step's change."""
        number = self.generation + 1
        tables = {name: table for name, table in {**self.tables, **change.tables}.items() if table is not None}
        return Manifest(
            format=FORMAT,
            generation=number,
            parent=self.generation or None,
            created_at=datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            writer=_writer(),
            step=step,
            restores=change.restores,
            inputs=change.inputs,
            tables={
                name: table if table == self.tables.get(name) else table.model_copy(update={"generation": number})
                for name, table in tables.items()
            },
            consolidated=self.consolidated if change.consolidated is None else change.consolidated,
            set_aside=self.set_aside if change.set_aside is None else change.set_aside,
        )

    def to_json(self) -> bytes:
        """Return the manifest as it is stored."""
        return seal((self.model_dump_json(exclude_none=True, by_alias=True) + "\n").encode())

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Return a stored manifest.

        Raises:
            NewerFormat: a newer version of this program has written it.
            ValueError: it is damaged; pydantic's ValidationError is one, too.
        """
        document = unseal(data)
        if document is None:
            raise ValueError("its text does not have the checksum that it begins with")
        manifest = cls.model_validate_json(document)
        if manifest.generation < 1:
            raise ValueError("it has no number of a generation")
        if manifest.format > 1 and not is_sealed(data):
            raise ValueError("it lacks its checksum")
        return manifest


@cache
def _writer() -> str:
    try:
        program = version("stock-stream")
    except PackageNotFoundError:  # a Lambda package has the code without its metadata
        program = "0"
    return f"stock-stream {program}, duckdb {duckdb.__version__}"
