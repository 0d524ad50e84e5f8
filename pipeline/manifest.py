"""The manifest: which files are the lake's silver tables at one generation. The one definition of its format.

`state/manifests/000042.json` is put if-none-match: that put is the commit. `state/current.json` is a copy of the newest
one under a fixed name, for readers. Files that a manifest names are never changed.
"""

from __future__ import annotations

from datetime import date

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class DataFile(_Model):
    """One immutable Parquet file, and what was verified of it before it was published."""

    key: str
    """Below the lake's URI: silver/bars/000042-base-1f0c9a3e.parquet."""
    rows: int
    bytes: int
    sha256: str
    symbols: int
    """How many different symbols it has."""
    first_date: date | None = None
    last_date: date | None = None


class Table(_Model):
    """A silver table: what is in `base` for all symbols but the restated ones, and all that is in `delta`.

    `base` is large and seldom written; `delta` has the newest sessions of every symbol, and the whole history of those
    whose past has changed since `base` was written (`restated`). No row is valid in both: reading needs no merge.
    """

    base: tuple[DataFile, ...] = ()
    delta: tuple[DataFile, ...] = ()
    # The stored keys of the first release stay: a reader that does not know a key ignores it in silence.
    restated: tuple[str, ...] = Field(
        (), validation_alias=AliasChoices("moved", "restated"), serialization_alias="moved"
    )
    through: date | None = None
    """The last day that `base` covers, for every symbol."""
    stable_through: date | None = Field(
        None, validation_alias=AliasChoices("settled", "stable_through"), serialization_alias="settled"
    )
    """Up to this day, which lies in `delta`, rows of symbols that have not moved stay as they are until `base` is
    written anew: what is computed from them may be kept."""
    made_from: dict[str, str] = {}
    """The checkpoint: what it was made of. A step that finds the same again has nothing to do."""
    sql: dict[str, str] = {}
    """The SQL files that made it, with the sha256 of their text."""
    generation: int = 0
    """The generation that published it like this."""

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All its files."""
        return self.base + self.delta


class Manifest(_Model):
    """One generation of the lake; generation 0 is a lake without silver."""

    generation: int = 0
    parent: int | None = None
    created_at: str = ""
    """ISO 8601 UTC, by the writer's clock."""
    writer: str = ""
    step: str = ""
    """What made it: consolidate, resample, metadata, vacuum, rollback."""
    restores: int | None = None
    """For a rollback: the generation whose tables these are."""
    inputs: tuple[str, ...] = ()
    """The files of raw-data/ that this generation is the first to hold."""
    tables: dict[str, Table] = {}
    consolidated: tuple[str, ...] = ()
    """The files of raw-data/ that are in silver: readers leave them alone. Those that are gone are no longer named."""
    set_aside: tuple[str, ...] = ()
    """The files of raw-data/ that a rollback left out: nobody reads them."""

    def table(self, name: str) -> Table:
        """Give a table; an empty one where there is none."""
        return self.tables.get(name, Table())
