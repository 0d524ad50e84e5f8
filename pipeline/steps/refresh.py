"""Step: compute all silver tables, each from those before it, and publish them as one generation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

from stockstream.pipeline.derived import DerivedTable, changed, is_expected, reason_of, step_modules
from stockstream.pipeline.errors import CheckFailed, Conflict, UsageError
from stockstream.pipeline.events import PARTS, DeriveResult, RefreshEvent, RefreshResult
from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.manifest import Change, Manifest
from stockstream.pipeline.publishing import candidate, publish, session_at
from stockstream.sql.session import explained

logger = logging.getLogger(__name__)

STEP = "run"
"""The name of the step in the manifest."""
BARS = "consolidate"
"""The part that all derived tables are computed from."""

Part = Callable[[Lake, Manifest], tuple[Change | None, Any]]
"""A part takes the lake and a manifest, uploads new files, and returns the change that names them, and its result."""


def run(event: RefreshEvent, lake: Lake, on_part: Callable[[str], None] = lambda name: None) -> RefreshResult:
    """Publish one generation with the metadata, the bars, the resampled bars, the indicators and all derived tables.

    A table that cannot be computed stays as it was in the generation before, and so do bars that fail a blocking check;
    the others are published, and the result has the reason. With `only`, the other parts are left out. `on_part` is
    called with the name of each part before it begins.

    Raises:
        UsageError: there is no part that `only` names.
        LakeError: the lake cannot be read or written, or has bars that cannot be read; nothing was published.
    """
    parts = _parts(event.get("only"))
    published = publish(lake, STEP, lambda before: _Attempt(lake, before).execute(parts, on_part))
    attempt = published.report
    return {
        "generation": published.generation,
        "parts": {
            name: {**result, "generation": published.generation if name in attempt.changed else None}
            for name, result in attempt.results.items()
        },
        "failed": attempt.failed,
        "stale": attempt.stale,
    }


@dataclass
class _Attempt:
    """One attempt to compute everything from the newest generation."""

    lake: Lake
    before: Manifest
    change: Change | None = None
    """All changes so far."""
    changed: list[str] = field(default_factory=list)
    """The parts that have made them."""
    results: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)

    def execute(self, parts: dict[str, Part], on_part: Callable[[str], None]) -> tuple[Change | None, _Attempt]:
        """Compute the parts in their order; return the change to publish, and the attempt itself as its report."""
        for name, part in parts.items():
            on_part(name)
            try:
                change, self.results[name] = part(self.lake, self._candidate())
            except Conflict:
                raise
            except Exception as error:
                if name == BARS and not isinstance(error, CheckFailed):
                    raise
                self.failed[name] = reason_of(error, self.lake)
                logger.error("%s: %s", name, self.failed[name], exc_info=not is_expected(error))
                continue
            self.failed |= self.results[name].get("failed", {})
            if change is not None:
                self.changed.append(name)
                self.change = change if self.change is None else self.change.then(change)
        self.stale = stale_tables(self.lake, self._candidate())
        return self.change, self

    def _candidate(self) -> Manifest:
        return self.before if self.change is None else candidate(self.before, self.change)


def stale_tables(lake: Lake, manifest: Manifest) -> list[str]:
    """Return the names of the tables of a manifest that are older than the data from which they are computed."""
    with explained(lake.uri), session_at(lake, manifest, no_files, "views/stale_tables") as con:
        return [name for (name,) in con.execute("SELECT name FROM stale_tables() ORDER BY name").fetchall()]


def _parts(only: Sequence[str] | None) -> dict[str, Part]:
    """Return the parts in their order, by the key of their result: those of PARTS, then the other derived tables."""
    parts: dict[str, Part] = {part.result: partial(_run_part, part.name) for part in PARTS}
    parts |= {name: partial(_derive, module.TABLE) for name, module in step_modules().items() if name not in parts}
    if unknown := [name for name in only or () if name not in parts]:
        raise UsageError(f"there is no part {unknown[0]} of a refresh: the parts are {', '.join(parts)}")
    return {name: part for name, part in parts.items() if only is None or name in only}


def _run_part(name: str, lake: Lake, before: Manifest) -> tuple[Change | None, Any]:
    change: tuple[Change | None, Any] = import_module(f"stockstream.pipeline.steps.{name}").change({}, lake, before)
    return change


def _derive(table: DerivedTable, lake: Lake, before: Manifest) -> tuple[Change | None, DeriveResult]:
    change_of_tables, derived = changed(lake, before, [table])
    return change_of_tables, {"generation": None, "tables": derived.tables, "failed": derived.failed}
