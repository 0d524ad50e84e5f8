"""The table carried: part of a generation, right after any change of the bars, and made again if it is damaged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from stockstream.analytics import connect
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps import consolidate, refresh, refresh_carried
from tests.analytics.test_cli import run_cli
from tests.pipeline.alerts.market import BEFORE, Bar, lake_of, store, walk


def rows(lake: Lake) -> dict[str, tuple[Any, ...]]:
    with connect(lake.uri) as con:
        return {row[0]: row[1:] for row in con.execute("FROM carried").fetchall()}


def assert_like(one: dict[str, tuple[Any, ...]], other: dict[str, tuple[Any, ...]]) -> None:
    assert one.keys() == other.keys()
    for symbol, values in one.items():
        for value, expected in zip(values, other[symbol], strict=True):
            same = value == expected or math.isclose(value, expected, rel_tol=1e-12)
            assert same, (symbol, value, expected)


@pytest.mark.slow
def test_it_follows_new_days_corrections_and_splits(tmp_path: Path) -> None:
    """The rows are those of a lake that has the same bars from the beginning."""
    days, last = BEFORE[-300:-1], BEFORE[-1]
    old: list[Bar] = [*walk("AAA", days), *walk("TEN", days, seed=1)]
    lake = lake_of(tmp_path / "lake", old)
    before = rows(lake)
    assert {row[0] for row in before.values()} == {days[-1]}
    whole = [*walk("AAA", [*days, last]), *walk("TEN", [*days, last], seed=1, splits={last: 10.0})]
    whole = [("AAA", *bar[1:5], bar[5] * 1.01, *bar[6:]) if bar[:2] == ("AAA", days[-30]) else bar for bar in whole]
    store(lake, f"{last}-batch-0", [bar for bar in whole if bar not in old])
    consolidate.run({}, lake)
    with connect(lake.uri) as con:
        stale = {name for (name,) in con.execute("SELECT name FROM stale_tables()").fetchall()}
    assert stale == {"carried"}
    assert refresh_carried.run({}, lake)["generation"]
    assert refresh_carried.run({}, lake)["generation"] is None
    after = rows(lake)
    assert_like(after, rows(lake_of(tmp_path / "other", whole)))
    ten = {bar[1]: bar for bar in whole if bar[0] == "TEN"}
    sum_19 = sum(bar[5] / (1 if bar[1] == last else 10) for bar in list(ten.values())[-19:])
    assert math.isclose(after["TEN"][3], sum_19, rel_tol=1e-12)  # in the shares after the split


@pytest.mark.slow
def test_a_refresh_publishes_it_and_makes_it_again_if_its_file_is_gone_or_damaged(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", walk("AAA", BEFORE[-60:]), carried=False)
    assert rows(lake) == {}
    result = refresh.run({"only": ["carried"]}, lake)
    assert result["parts"]["carried"]["tables"]["carried"]["rows"] == 1
    published = rows(lake)
    (file,) = Path(lake.uri, "silver/carried").iterdir()
    file.write_bytes(b"x" + file.read_bytes()[1:])
    checked = json.loads(run_cli("check", "--lake", lake.uri, "--select", "files__published", "--json").out)
    assert "silver/carried" in json.dumps(checked)
    file.unlink()
    assert "rebuilt" in refresh.run({"only": ["carried"]}, lake)["parts"]["carried"]["tables"]["carried"]
    assert rows(lake) == published
