"""Which manifests a connection to a lake reads, with their former and their current keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stockstream.sql.errors import LakeError
from stockstream.sql.session import connect, set_silver, silver_of


def manifest(lake: Path, **values: Any) -> None:
    (lake / "state").mkdir()
    content = {"generation": 1, "created_at": "", "tables": {}, "consolidated": [], "set_aside": [], **values}
    (lake / "state/current.json").write_text(json.dumps(content))


@pytest.mark.parametrize("keys", [{"moved": ["AAA"]}, {"restated": ["AAA"]}, {"restated": ["AAA"], "moved": ["BBB"]}])
def test_restated_symbols_are_read_under_both_keys(keys: dict[str, list[str]], tmp_path: Path) -> None:
    manifest(tmp_path, tables={"bars": {"base": [{"key": "silver/b.parquet"}], "delta": [], **keys}})
    with connect(str(tmp_path)) as con:
        assert silver_of(con, "bars") == ([f"{tmp_path}/silver/b.parquet"], [], ["AAA"])


@pytest.mark.parametrize("values", [{}, {"format": 1}, {"format": None}])
def test_a_manifest_without_a_format_has_the_first(values: dict[str, int | None], tmp_path: Path) -> None:
    manifest(tmp_path, **values)
    with connect(str(tmp_path)) as con:
        assert con.sql("SELECT generation FROM lake_status()").fetchall() == [(1,)]


def test_a_manifest_of_a_later_format_is_refused_in_one_line(tmp_path: Path) -> None:
    manifest(tmp_path, format=3)
    with pytest.raises(LakeError) as raised:
        connect(str(tmp_path))
    assert str(raised.value) == (
        f"cannot read {tmp_path}: the lake was written by a newer Stock Stream (format 3; this one reads 2): "
        "upgrade stock-stream"
    )


def test_silver_is_set_and_read_per_table(tmp_path: Path) -> None:
    with connect(str(tmp_path)) as con:
        set_silver(con, {"bars": (["it's.parquet"], [], ["AAA"]), "bars_3d": ([], ["d.parquet"], [])})
        assert silver_of(con, "bars") == (["it's.parquet"], [], ["AAA"])
        assert silver_of(con, "bars_3d") == ([], ["d.parquet"], [])
        set_silver(con, {})
        assert silver_of(con, "bars") == ([], [], [])
