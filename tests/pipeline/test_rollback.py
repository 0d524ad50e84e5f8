"""History and rollback: a kept generation does not change, and readers can be brought back to it."""

from __future__ import annotations

import json
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.generation_history import history
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import MANIFESTS, RAW, Lake
from stockstream.pipeline.markets import market
from stockstream.pipeline.steps import rollback as module
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.resample import run as resample
from stockstream.pipeline.steps.rollback import run as rollback
from stockstream.pipeline.steps.vacuum import run as vacuum
from stockstream.sql.loader import views_for
from stockstream.sql.session import connect
from tests.analytics.test_cli import run_cli
from tests.pipeline.test_consolidate import BOUNDS, DAYS, _short_tail, days_of_all, fetch, history_first, row, table
from tests.pipeline.test_invariants import Model, Row
from tests.pipeline.test_vacuum import RAW_ROWS, add, content, generations, grow_older, point

__all__ = ["_short_tail"]  # a fixture

CLOSES = "SELECT symbol, date, close FROM latest_bars WHERE coalesce(close, volume) IS NOT NULL"
"""A row without any value withdraws an earlier one."""


def names(lake: Lake) -> list[str]:
    return [key.removeprefix(RAW) for key in lake.store.list(RAW)]


def test_going_back_gives_exactly_what_was(lake_uri: str) -> None:
    lake = generations(lake_uri, [3, 2, 1])
    add(lake, 3, consolidated=False)
    before, everything = content(lake, 1), content(lake)
    first, *others = [manifest.inputs[0] for manifest in reversed(history(lake))]
    unconsolidated = next(name for name in names(lake) if name not in {first, *others})
    result = rollback({"generation": 1}, lake)
    assert result == {
        "generation": 4,
        "restores": 1,
        "set_aside": sorted([unconsolidated, *others]),
        "taken_back": [],
    }
    assert content(lake) == before
    assert {one[4].rsplit("/", 1)[-1] for one in table(lake, RAW_ROWS)} == {first}
    assert consolidate({}, lake)["generation"] is None, "what was set aside is merged again"
    consolidate({"full": True}, lake)
    assert content(lake) == before
    made = head(lake)
    assert (made.generation, made.restores, made.consolidated) == (5, None, (first,))
    assert made.set_aside == tuple(sorted([unconsolidated, *others]))

    undone = rollback({"generation": 3}, lake)
    assert (undone["set_aside"], undone["taken_back"]) == ([], sorted(others))
    assert content(lake) == content(lake, 3)
    assert content(lake) == [bar for bar in everything if bar[1] != DAYS[14]]
    assert head(lake).set_aside == (unconsolidated,)


def test_a_fetch_asks_again_for_what_was_set_aside(lake_uri: str) -> None:
    lake = generations(lake_uri, [3, 2, 1])
    everything, seen = content(lake), set(names(lake))
    rollback({"generation": 1}, lake)
    rows = [row(s, DAYS[11 + number], 10.0 + number) for number in (1, 2) for s in ("AAA", "BBB")]
    for again in (True, False):
        fetch(lake, 4, rows)
        assert len(set(names(lake)) - seen) == 1, "stored in a file of its own, and once"
        assert [(*bar[:8], *bar[9:]) for bar in content(lake)] == [(*bar[:8], *bar[9:]) for bar in everything]
        if again:
            consolidate({}, lake)


def test_resampled_bars_and_archives_follow(tmp_path: Path) -> None:
    """All tables go back, except the archive, whose rows exist nowhere else."""
    lake = Lake(str(tmp_path))
    add(lake, 0)
    resample({"intervals": ["3d"]}, lake)
    before = [table(lake, "FROM bars_3d"), content(lake)]
    fetch(lake, 1, [row("AAA", DAYS[2], 99.0), row("AAA", DAYS[12], 99.0)])
    consolidate({}, lake)
    resample({"intervals": ["3d"]}, lake)
    after, raw = [table(lake, "FROM bars_3d"), content(lake)], table(lake, RAW_ROWS)
    grow_older(lake.uri, timedelta(hours=2))
    event = {"raw": "archive", "raw_older_than_days": 0, "delete": True, "retention_hours": 10}
    assert vacuum(event, lake)["raw"]["files"] == 1
    assert rollback({"generation": 2}, lake)["generation"] == 6
    assert [table(lake, "FROM bars_3d"), content(lake)] == before
    assert resample({"intervals": ["3d"]}, lake)["generation"] is None
    assert len(table(lake, RAW_ROWS)) == len(history_first)
    rollback({"generation": 4}, lake)
    assert ([table(lake, "FROM bars_3d"), content(lake)], table(lake, RAW_ROWS)) == (after, raw)


def test_a_file_with_the_name_of_one_that_is_gone_is_another_one(tmp_path: Path) -> None:
    """Generation 1 names a file that was removed; a later file with the same name is not in generation 1."""
    lake = generations(str(tmp_path), [3, 2])
    (first, second) = (manifest.inputs[0] for manifest in reversed(history(lake)))
    stored = lake.store.get(f"{RAW}{second}")
    assert stored is not None
    lake.store.delete([f"{RAW}{first}"])
    lake.store.put(f"{RAW}{first}", stored.data, replaces=None)
    before = content(lake, 1)
    assert rollback({"generation": 1}, lake)["set_aside"] == sorted([first, second])
    assert content(lake) == before


def test_what_is_gone_is_refused_and_what_is_there_named(lake_uri: str) -> None:
    lake = generations(lake_uri, [30, 20, 10, 9])
    vacuum({"delete": True}, lake)
    before = lake.store.list("")
    for number in (3, 0, 99):
        ran = run_cli("rollback", str(number), "--lake", lake_uri)
        assert (ran.code, ran.out) == (2, "")
        assert f"has no generation {number}: it has generations 4 to 5" in ran.err
    lost = head(lake).table("bars").delta[0].key
    assert lake.store.list("") == before
    lake.store.delete([lost])
    with pytest.raises(UsageError, match=f"generation 4 no longer, as {lost} is gone"):
        rollback({"generation": 4}, lake)


def test_a_rollback_and_a_consolidation_at_once_both_count(lake_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The consolidation commits during the rollback, which starts again and sets the new file aside, too."""
    lake = generations(lake_uri, [3, 2])
    add(lake, 2, consolidated=False)
    before, checked, done = content(lake, 1), module._require_all_files, []

    def slow(*arguments: Any) -> None:
        checked(*arguments)
        if not done:
            done.append(consolidate({}, Lake(lake_uri))["generation"])

    monkeypatch.setattr(module, "_require_all_files", slow)
    assert rollback({"generation": 1}, lake)["generation"] == done[0] + 1 == 4
    assert content(lake) == before


def test_the_newest_can_be_freed_of_what_came_after_it(tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [3])
    before = content(lake)
    assert rollback({"generation": 1}, lake)["generation"] is None, "nothing to do is nothing published"
    add(lake, 1, consolidated=False)
    assert len(content(lake)) == len(before) + 2
    assert (rollback({"generation": 1}, lake)["generation"], content(lake)) == (2, before)
    assert rollback({"generation": 1}, lake)["generation"] is None


# The commands


def test_history_lists_what_is_kept(lake_uri: str) -> None:
    lake = generations(lake_uri, [30, 20, 10, 1])
    vacuum({"delete": True}, lake)
    rollback({"generation": 3}, lake)
    ran = run_cli("history", "--lake", lake_uri, "--json")
    found = json.loads(ran.out)
    steps = [(one["generation"], one["step"], one["restores"], one["current"]) for one in found]
    assert steps == [
        (6, "rollback", 3, True),
        (5, "vacuum", None, False),
        (4, "consolidate", None, False),
        (3, "consolidate", None, False),
        (2, "consolidate", None, False),
    ]
    assert [one["inputs"] for one in found] == [list(manifest.inputs) for manifest in history(lake)]
    assert [len(one["inputs"]) for one in found] == [0, 0, 1, 1, 1]
    assert [one["tables"]["bars"]["rows"] for one in found] == [40, 42, 42, 40, 38]
    assert all(one["tables"]["bars"]["bytes"] and one["writer"].startswith("stock-stream ") for one in found)
    assert all("views/read_merged" in one["tables"]["bars"]["sql"] for one in found)
    lines = run_cli("history", "--lake", lake_uri).out.splitlines()
    assert lines[1].split()[:2] == ["*", "6"]
    assert lines[1].endswith("rollback to 3: bars")
    assert [line.split()[0] for line in lines[2:6]] == ["5", "4", "3", "2"]


def test_history_of_a_lake_without_generations(tmp_path: Path) -> None:
    assert run_cli("history", "--lake", str(tmp_path)).code == 2, "an empty folder is no lake"
    Lake(str(tmp_path)).prepare(market("ASX"), date(2026, 11, 20))
    assert run_cli("history", "--lake", str(tmp_path)).out == (
        f"{tmp_path} has no generation yet: `stockstream consolidate` makes the first\n"
    )
    assert json.loads(run_cli("history", "--lake", str(tmp_path), "--json").out) == []


def test_a_commit_without_its_pointer_is_in_the_history(tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [2, 1])
    point(lake, 1)
    assert json.loads(run_cli("history", "--lake", lake.uri, "--json").out)[0]["generation"] == 2


def test_the_command_says_what_it_sets_aside(tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [3, 2, 1])
    ran = run_cli("rollback", "1", "--lake", lake.uri)
    assert (ran.code, ran.err) == (0, "") or "rollback: generation 4" in ran.err
    assert ran.out.startswith("generation 4 has the tables of generation 1\nset aside  2 batch files\n           2024-")
    assert "nothing was changed" in run_cli("rollback", "1", "--lake", lake.uri).out
    undone = json.loads(run_cli("rollback", "3", "--lake", lake.uri, "--json").out)
    assert len(undone["taken_back"]) == 2


# Anything, in any order

rows = st.lists(
    st.builds(row, st.sampled_from(["AAA", "BBB"]), st.sampled_from(DAYS), st.sampled_from([None, 10.0, 12.5, 20.0])),
    max_size=8,
    unique_by=lambda row: (row["symbol"], row["date"]),
)
operations = st.one_of(
    st.tuples(st.just("fetch"), st.one_of(rows, days_of_all)),
    st.tuples(st.sampled_from(["consolidate", "consolidate", "full", "rollback"]), st.none()),
    st.tuples(st.just("vacuum"), st.sampled_from(["keep", "archive", "archive", "remove"])),
    st.tuples(st.just("wait"), st.sampled_from([timedelta(hours=5), timedelta(days=8)])),
)


@given(st.lists(operations, min_size=4, max_size=9), st.data())
@examples(BOUNDS, max_examples=examples.default.max_examples // 20)
def test_kept_generations_stay_as_they_were_and_no_bar_is_lost(
    work: list[tuple[str, Any]], data: st.DataObject
) -> None:
    """Compared with a dictionary of the closes, for the newest state and for each kept generation."""
    with tempfile.TemporaryDirectory() as folder:
        lake, model, number = Lake(folder), Model(), 0
        published: dict[int, dict[Any, Row]] = {}
        for what, how in [("fetch", history_first), ("consolidate", None), *work, ("consolidate", None)]:
            made: dict[str, Any] = {}
            raw = table(lake, RAW_ROWS)
            if what == "fetch":
                fetch(lake, number, how)
                model.tell(how)
                number += 1
            elif what == "wait":
                grow_older(folder, how)
            elif what == "vacuum":
                made = vacuum({"delete": True, "raw": how, "raw_older_than_days": 1}, lake)
                if made["generation"]:
                    published[made["generation"]] = published[made["generation"] - 1]
                assert how == "remove" or table(lake, RAW_ROWS) == raw
            elif what == "rollback":
                target = data.draw(st.sampled_from([manifest.generation for manifest in history(lake)]))
                made = rollback({"generation": target}, lake)
                model.rows = dict(published[target])
            else:
                made = consolidate({"full": what == "full"}, lake)
            if made.get("generation") and what != "vacuum":
                published[made["generation"]] = dict(model.rows)
            assert closes(lake) == told(model.rows)
            if what in ("vacuum", "consolidate"):
                assert {n: closes(lake, n) for n in kept(lake)} == {n: told(published[n]) for n in kept(lake)}


def kept(lake: Lake) -> list[int]:
    return [int(Path(key).stem) for key in lake.store.list(MANIFESTS)]


def closes(lake: Lake, generation: int | None = None) -> list[Any]:
    """Return the closes in the lake, of the newest state or of a generation, in the form of `told`."""
    with connect(lake.uri, generation=generation, only=views_for("views/latest_bars")) as con:
        return con.sql(f"{CLOSES} ORDER BY ALL").fetchall()


def told(bars: dict[Any, Row]) -> list[Any]:
    return sorted((symbol, day, bar["close"]) for (symbol, day), bar in bars.items())
