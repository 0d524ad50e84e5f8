"""All planted rows: those of the shipped checks, on lakes, and those of the generic rules, on tables."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from stockstream.pipeline.checks import FOLDER, Check, find
from stockstream.pipeline.lake import Lake
from stockstream.sql.loader import load
from tests.mutation.score import Planted
from tests.pipeline.checks.planted_rules import PLANTED_RULES
from tests.sql import test_checks as checks
from tests.sql.test_check_boundaries import BOUNDARIES

NAMES = sorted(path.stem for path in FOLDER.glob("*.sql"))


def planted_in_lakes(clean: Path) -> Iterator[Planted]:
    """Yield the planted rows of the shipped checks; `clean` is the lake of `clean_lake`, which is copied."""
    for name, plant, bad in [*checks.PLANTS, *((name, lambda lake: None, []) for name in NAMES)]:
        yield Planted(_check(name), bad, partial(_open_lake, clean, name, plant, None), _without_folder)
    for one in BOUNDARIES:
        yield Planted(
            _check(one.name), one.bad, partial(_open_lake, clean, one.name, one.plant, one.set_up), _without_folder
        )


def planted_in_tables() -> Iterator[Planted]:
    """Yield the planted rows of the generic rules."""
    for rule in PLANTED_RULES:
        yield Planted(rule.check(), rule.bad, partial(_open_tables, rule.tables))


def clean_lake(folder: Path) -> Path:
    """Fill a folder with the clean lake of the tests of the checks."""
    with pytest.MonkeyPatch.context() as patched:
        checks.fill_with_delta(patched, Lake(str(folder)))
    return folder


def without_planted_rows() -> list[str]:
    """Return the shipped checks for which no bad row is planted."""
    planted = {name for name, _, bad in checks.PLANTS if bad}
    return [name for name in NAMES if name not in planted]


def _check(name: str) -> Check:
    (check,) = find([FOLDER / f"{name}.sql"])
    return Check(check.name, load(f"checks/{name}").body)


def _open_lake(
    clean: Path,
    name: str,
    plant: Callable[[Lake], None],
    set_up: Callable[[DuckDBPyConnection], None] | None,
    stack: ExitStack,
    folder: Path,
) -> DuckDBPyConnection:
    lake = Lake(str(shutil.copytree(clean, folder / "lake")))
    plant(lake)
    con = stack.enter_context(lake.session(None, f"checks/{name}"))
    if set_up is not None:
        set_up(con)
    return con


def _without_folder(text: str) -> str:
    """Return a bad row with paths as they are below the lake."""
    return " ".join(word.partition("/lake/")[2] or word for word in text.split(" "))


def _open_tables(tables: str, stack: ExitStack, folder: Path) -> DuckDBPyConnection:
    con = stack.enter_context(duckdb.connect())
    con.execute(tables)
    return con
