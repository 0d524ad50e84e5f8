"""A run in one process: the same steps, results and status as an execution of the state machine."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.pipeline import document
from stockstream.pipeline.attempts import attempts_of, record_attempt
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.derived import step_modules
from stockstream.pipeline.events import PARTS, REFRESHES, STEPS, Summary
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps import check, consolidate, summarise
from stockstream.sql.session import LakeWarning

ASX = MARKETS["ASX"]
DAY = date(2026, 8, 7)
BARS = "symbol,date,open,high,low,close,volume\nBHP,2026-08-06,1,2,1,2,5\nBHP,2026-08-07,2,3,2,3,5\n"

LATER = list(
    dict.fromkeys(
        [
            *(part.result for part in PARTS),
            *step_modules(),
            *(step.result for step in REFRESHES if step.name != "refresh"),
        ]
    )
)
"""The keys of the results of the parts of refresh, of further derived tables, and of the steps after it."""


@pytest.fixture
def bars(tmp_path: Path) -> str:
    (tmp_path / "bars.csv").write_text(BARS)
    return f"files:{tmp_path / 'bars.csv'}"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def run_once(lake: Lake, source: str, **options: Any) -> dict[str, Any]:
    return run(lake, open_source(source, ASX, settings()), ASX, day=DAY, **options)


def damage(lake: Lake) -> None:
    """Add a batch file with a column of another type, as another program may do."""
    path = Path(lake.uri, "raw-data/2026-08-06-batch-7.parquet")
    (original,) = Path(lake.uri, "raw-data").glob("*.parquet")
    with duckdb.connect() as con:
        rows = f"SELECT * REPLACE (CAST(low AS DECIMAL(4, 2)) AS low) FROM '{original}'"
        con.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")


def test_a_run_has_the_results_of_all_steps_in_order(lake: Lake, bars: str) -> None:
    started: list[str] = []
    result = run_once(lake, bars, on_step=started.append)
    assert started == LATER
    assert [key for key in result if key in started] == started
    assert (result["status"], result["refused"]) == ("complete", None)
    assert (result["check"]["failed"], result["check"]["checks"]) == ([], check.run({}, lake)["checks"])


def test_every_key_of_a_summary_is_stated(lake: Lake, bars: str) -> None:
    keys = set(run_once(lake, bars)) - {*LATER}
    assert keys == {*Summary.__annotations__, "seconds"}
    assert all(key == key.lower() for key in keys)


def test_a_failed_check_fails_the_run_as_it_fails_an_execution(
    lake: Lake, bars: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = {"check": "bars__any", "bad_rows": 1, "first": "BHP 2026-08-07"}
    monkeypatch.setattr(check, "run", lambda event, lake: {"checks": 1, "failed": [report], "warned": []})
    result = run_once(lake, bars)
    assert (result["status"], result["refused"]) == ("failed", "check bars__any: BHP 2026-08-07")

    batch = {"symbols": ["BHP"], "batchNumber": 0}
    state: Any = {"run": "one", "date": str(DAY), "symbolBatches": [batch], "check": result["check"]}
    summary = summarise.run(state, lake, ASX, "files", "dev")
    stored = json.loads(lake.store.get(summary["key"]).data)  # type: ignore[union-attr]
    assert (stored["status"], stored["refused"]) == (result["status"], result["refused"])


def test_a_step_that_fails_is_the_last_one(lake: Lake, bars: str) -> None:
    run_once(lake, bars)
    damage(lake)
    result = run_once(lake, bars)
    assert (result["status"], "consolidate" in result) == ("failed", False)
    assert result["refused"].startswith("consolidate: nothing was published, as files__schema finds")


def test_a_run_that_leaves_out_damaged_files_says_so(lake: Lake) -> None:
    """The run is not complete, and what was computed from the beginning is named."""
    damaged = [f"{lake.store.uri(f'raw-data/2026-08-{n:02d}.parquet')}: cut" for n in range(1, 61)]
    parts = {
        "metadata": {"rebuilt": "a.parquet is gone"},
        "consolidate": {"damaged": damaged},
        "resample": {"tables": {"bars_3d": {"rebuilt": "b.parquet is damaged"}, "bars_5d": {}}},
    }
    refreshed = {"generation": 2, "parts": parts, "failed": {}, "stale": []}
    state: Any = {"run": "one", "date": str(DAY), "symbolBatches": [], "refresh": refreshed}
    summary = summarise.run(state, lake, ASX, "files", "dev")
    assert summary["status"] == "partial"
    lines = summary["message"].splitlines()
    begin = lines.index(f"Damaged files were left out. See `stockstream repair --lake {lake.uri}`:")
    assert lines[begin + 1 : begin + 52] == [*(f"- {one}" for one in damaged[:50]), "- and 10 more"]
    assert (
        lines[begin + 52] == "Computed from the beginning: metadata: a.parquet is gone; bars_3d: b.parquet is damaged"
    )
    assert json.loads(lake.store.get(summary["key"]).data)["consolidate"]["damaged"] == damaged  # type: ignore[union-attr]
    parts["consolidate"]["damaged"] = []
    assert summarise.run(state, lake, ASX, "files", "dev")["status"] == "complete"


def test_a_damaged_batch_file_is_left_out_and_named_when_the_rules_are_new(
    lake: Lake, bars: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_once(lake, bars)
    (file,) = Path(lake.uri, "raw-data").glob("*.parquet")
    file.write_bytes(b"PAR1")
    monkeypatch.setattr(consolidate, "rules_version", lambda: "newer")
    with pytest.warns(LakeWarning, match=file.name):
        result = run_once(lake, bars)
    assert [one.partition(": ")[0] for one in result["consolidate"]["damaged"]] == [str(file)]
    assert result["consolidate"]["rows"] == 2, "silver has its rows"
    assert result["status"] == "failed", "of the checks, which read the file"
    assert f"cannot read {file}" in result["refused"]


def test_attempts_are_summed_without_counting_twice(lake: Lake) -> None:
    event: Any = {"run": "one", "date": str(DAY), "batchNumber": 0}
    first: Any = {
        **{"batchNumber": 0, "date": str(DAY), "key": "a", "rows": 1, "first_date": None, "last_date": None},
        **{"symbols": 3, "up_to_date": 1, "open_session": 2, "stopped": "OutOfTime"},
        "missing": [{"symbol": "CBA", "reason": "no time"}],
    }
    record_attempt(lake, event, first)
    record_attempt(lake, event, {**first, "key": "b", "up_to_date": 2, "missing": [], "stopped": None})
    earlier, later = attempts_of(lake, event, {"symbols": ["AAA", "BHP", "CBA"], "batchNumber": 0}, {"rows": 1})
    assert (earlier["symbols"] + later["symbols"], earlier["up_to_date"] + later["up_to_date"]) == (3, 1)
    assert (earlier["missing"] + later["missing"], earlier["open_session"] + later["open_session"]) == ([], 2)
    assert [earlier["key"], later["key"]] == ["a", "b"]


def test_the_record_of_an_older_version_is_read(lake: Lake) -> None:
    old = {"batchNumber": 0, "symbols": 1, "upToDate": 1, "openSession": 4, "firstDate": "2026-08-06", "lastDate": None}
    lake.update("state/runs/2026-08-07/one/batch-0.json", lambda _: json.dumps([old]).encode())
    event: Any = {"run": "one", "date": str(DAY)}
    (attempt,) = attempts_of(lake, event, {"symbols": ["AAA"], "batchNumber": 0}, {"rows": 1})
    assert (attempt["up_to_date"], attempt["open_session"], attempt["first_date"]) == (1, 4, "2026-08-06")


def test_the_readme_has_the_list_of_steps() -> None:
    text = document.README.read_text()
    assert document.with_table(text) == text, "run `make steps`"
    names = [step.name for step in STEPS]
    after = names.index("refresh") + 1
    names[after:after] = [part.name for part in PARTS]
    assert [
        line.split("`")[1] for line in text.splitlines() if line.startswith("| `") and line.count("|") == 5
    ] == names
