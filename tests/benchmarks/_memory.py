"""Memory and disk of the steps, each in a process of its own, which is killed above the limit (`_step.CGROUPS`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from tests.benchmarks._harness import Figure
from tests.benchmarks._step import ROOT, in_process
from tests.benchmarks._synthetic import write_day

MAX_MEMORY = 1500
"""MB of any step at any size."""
FUNCTIONS = json.loads((ROOT / "terraform" / "packages.json").read_text())["functions"]
"""The Lambda functions, with their memory and /tmp in MiB."""
DEFAULT_TMP = 2048
"""The /tmp of functions that state none, as in terraform/modules/functions/main.tf."""
MIB = 1 << 20


def first_steps(lake: Path, name: str) -> Iterator[Figure]:
    """Measure the steps that compute everything from the batch files in a lake."""
    yield from _step(f"{name}: first consolidation", lake, "consolidate", "refresh")
    yield from _step(f"{name}: resample", lake, "resample", "refresh")
    yield from _step(f"{name}: indicators", lake, "refresh_indicators", "refresh")
    yield from _step(f"{name}: check", lake, "check", "check")


def later_steps(con: DuckDBPyConnection, lake: Path, name: str, day: date) -> Iterator[Figure]:
    """Measure a day's refresh of all tables, and the archiving of all batch files."""
    write_day(con, lake, day)
    yield from _step(f"{name}: a day's refresh", lake, "refresh", "refresh")
    what = {"delete": True, "raw": "archive", "raw_older_than_days": 0}
    yield from _step(f"{name}: vacuum --raw archive", lake, "vacuum", None, what)


def _step(
    name: str, lake: Path, step: str, function: str | None, event: dict[str, object] | None = None
) -> Iterator[Figure]:
    needs = in_process(step, lake, event, MAX_MEMORY * 1_000_000)
    yield Figure(name, needs.memory / 1e6, "MB at most", MAX_MEMORY)
    tmp = FUNCTIONS[function].get("ephemeral_storage", DEFAULT_TMP) if function else None
    yield Figure(name, needs.disk / MIB, "MiB below TMPDIR", tmp)
    yield Figure(name, needs.cpu, "CPU s")
