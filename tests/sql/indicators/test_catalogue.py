"""The indicators' files: what is generated is up to date, released ones are as they were, bad ones are named."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from stockstream.sql import generate
from stockstream.sql.catalogue import FOLDER, catalogue
from stockstream.sql.errors import UsageError
from tests.analytics.test_cli import run_cli

SMA = (FOLDER / "trend/sma_v1.sql").read_text(encoding="utf-8")


def own(folder: Path, text: str, name: str = "mine_v1") -> Path:
    (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    return folder


def test_what_is_generated_is_up_to_date() -> None:
    for path, text in generate.generated().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make sql` and commit"


def test_no_released_file_was_edited() -> None:
    now = generate.checksums()
    assert {name: now.get(name) for name in generate.released()} == generate.released()
    assert now.keys() == generate.released().keys(), "run `make sql`: a file is not in versions.lock"


def test_layout_and_comments_of_a_released_file_may_change_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "sma_v1.sql"
    path.write_text(SMA)
    before = generate.checksum(path)
    path.write_text(
        SMA.replace("title: Simple", "title: Plain").replace("WITH bars AS (\n", "WITH bars AS ( -- rows\n\n")
    )
    assert generate.checksum(path) == before
    path.write_text(SMA.replace("n - 1 PRECEDING", "n PRECEDING"))
    assert generate.checksum(path) != before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SMA, "sma_v1.sql"),
        (SMA.replace("name: sma", "name: mine"), "the macro is called sma_v1, the header says mine_v1"),
        (
            SMA.replace("sma", "mine").replace("n: 20, ", ""),
            "takes \\(src, n, value\\), the header says \\(src, value\\)",
        ),
        (SMA.replace("sma", "mine").replace("[mine]", "[other]"), "gives symbol, date, mine; the header says"),
        (SMA.replace("sma", "mine").replace("warmup: n - 1\n", ""), "the header lacks warmup"),
        (SMA.replace("sma", "mine").replace("params: {", "params: {{"), "the header is not YAML"),
        (SMA.split("--- */")[1], "does not open with a"),
        (SMA.split("--- */")[0].replace("sma", "mine") + "--- */\nSELECT 1;", "should be one CREATE OR REPLACE MACRO"),
        (SMA.replace("sma", "mine").replace("END AS mine", "AS mine"), "mine_v1.sql"),
    ],
)
def test_a_file_that_is_no_indicator_is_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        catalogue(own(tmp_path, text))
    assert "mine_v1.sql" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_version_that_we_ship_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has that name and version already"):
        catalogue(own(tmp_path, SMA, "sma_v1"))


def test_a_newer_version_is_what_the_name_means(tmp_path: Path) -> None:
    text = SMA.replace("sma_v1", "sma_v2").replace("version: 1", "version: 2").replace("n: 20", "n: 30")
    found = catalogue(own(tmp_path, text, "sma_v2"))
    assert [one.version for one in found.newest if one.name == "sma"] == [2]
    with duckdb.connect() as con:
        found.install(con)
        con.execute(
            "CREATE TABLE t AS SELECT 'A' AS symbol, DATE '2020-01-01' + i::INTEGER AS date, i AS close "
            "FROM range(40) AS r (i)"
        )
        counts = "SELECT count(sma) FROM {}"
        assert con.execute(counts.format("sma('t')")).fetchall() == [(11,)]
        assert con.execute(counts.format("sma_v1('t', 20, close)")).fetchall() == [(21,)]


def test_new_writes_an_indicator_and_a_test_that_passes(tmp_path: Path) -> None:
    ran = run_cli("indicators", "new", "my_average", "--sql-path", str(tmp_path))
    assert ran.out.split() == [f"{tmp_path}/my_average_v1.sql", f"{tmp_path}/test_my_average.py"]
    assert pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=", ran.out.split()[1]]) == 0
    assert "my_average(20)" in run_cli("indicators", "list", "--sql-path", str(tmp_path)).out
    again = run_cli("indicators", "new", "my_average", "--sql-path", str(tmp_path))
    assert (again.code, "is there already" in again.err) == (2, True)
    assert run_cli("indicators", "new", "My-Average", "--sql-path", str(tmp_path)).code == 2
