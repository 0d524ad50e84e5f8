"""Files of indicators: generated ones are current, released ones unchanged; errors name the file and the field."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import duckdb
import pytest

from stockstream.sql.catalogue import FOLDER, KERNELS, Indicator, catalogue, check_macro, kernel_files
from stockstream.sql.catalogue.skeleton import is_checkout, repository_files
from stockstream.sql.errors import UsageError
from stockstream.sql.generate.indicator_pages import checksum_of, checksums, edited, locked, released
from stockstream.sql.loader import HOME, SqlFile
from tests.analytics.test_cli import run_cli

SMA = (FOLDER / "trend/sma_v2.sql").read_text(encoding="utf-8").replace("sma_v2", "sma_v1")
SMA = SMA.replace("version: 2", "version: 1")
MINE = SMA.replace("sma", "mine")


def folder_with(folder: Path, text: str, name: str = "mine_v1") -> Path:
    (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    return folder


def test_no_released_file_was_edited() -> None:
    assert edited() == []
    assert checksums() == locked(), "run `make sql`: versions.lock is not current"
    assert released().items() <= locked().items()


@pytest.mark.parametrize("one", catalogue().indicators, ids=lambda one: one.macro)
def test_the_macro_is_what_the_header_says(one: Indicator) -> None:
    """Files of users are checked when they are read, the shipped ones here."""
    check_macro(one)


@pytest.mark.parametrize("one", catalogue().active, ids=lambda one: one.macro)
def test_windows_are_spelled_out(one: Indicator) -> None:
    """Spark and Athena support named windows, but not windows that extend another one."""
    body = one.file.text.split("--- */", 1)[1]
    assert not re.search(r"OVER \((?!PARTITION BY symbol)", body)


@pytest.mark.parametrize("file", kernel_files(), ids=lambda file: file.header["name"])
def test_a_kernel_has_a_complete_header(file: SqlFile) -> None:
    header = file.header
    assert header["name"] == file.path.stem
    assert header.keys() == {
        "name", "title", "status", "grain", "params", "needs", "returns", "reference", "example", "changes"
    }  # fmt: skip
    parameters = re.findall(rf"MACRO {header['name']}\((.*?)\)", file.text)
    assert parameters == [", ".join(header["params"])]
    names = [one.removeprefix("indicators/kernels/") for one in KERNELS]
    body = file.text.split("--- */", 1)[1]
    calls = {name for name in names if name != header["name"] and f"{name}(" in body}
    assert calls == set(header["needs"])
    with duckdb.connect() as con:
        catalogue().install(con)
        assert con.sql(header["example"]).types == [header["returns"].split(",")[0]]


def test_layout_and_comments_of_a_released_file_may_change_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "sma_v1.sql"
    path.write_text(SMA)
    before = checksum_of(path)
    path.write_text(
        SMA.replace("title: Simple", "title: Plain").replace("WITH bars AS (\n", "WITH bars AS ( -- rows\n\n")
    )
    assert checksum_of(path) == before
    path.write_text(SMA.replace("n - 1 PRECEDING", "n PRECEDING"))
    assert checksum_of(path) != before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SMA, "sma_v1.sql"),
        (
            SMA.replace("name: sma", "name: mine").replace("[sma]", "[mine]"),
            "the macro is called sma_v1, by the header",
        ),
        (MINE.replace("n: 20, ", ""), r"takes \(src, n, value\), by the header's params \(src, value\)"),
        (MINE.replace("[mine]", "[other]"), "returns symbol, date, mine; by the header's returns symbol, date, other"),
        (MINE.replace("warmup: n - 1\n", ""), "the header lacks warmup"),
        (MINE.replace("version: 1", "version: one"), "the header's version: Input should be a valid integer"),
        (
            MINE.replace("status: active", "status: new"),
            "the header's status: Input should be 'active' or 'superseded'",
        ),
        (MINE.replace("grain:", "grane:"), "the header's grane: Extra inputs are not permitted"),
        (MINE.replace("price_like: [mine]", "price_like: [yours]"), "price_like names yours, which is not in returns"),
        (MINE.replace("params: {", "params: {{"), "the header is not YAML"),
        (SMA.split("--- */")[1], "does not open with a"),
        (MINE.split("--- */")[0] + "--- */\nSELECT 1;", "expected one CREATE OR REPLACE MACRO"),
        (MINE.replace("END AS mine", "AS mine"), "mine_v1.sql"),
    ],
)
def test_an_error_names_the_file_and_the_field(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        catalogue(folder_with(tmp_path, text))
    assert "mine_v1.sql" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_shipped_version_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has the same name and version"):
        catalogue(folder_with(tmp_path, SMA, "sma_v1"))


def test_a_newer_version_is_what_the_name_means(tmp_path: Path) -> None:
    text = SMA.replace("sma_v1", "sma_v3").replace("version: 1", "version: 3").replace("n: 20", "n: 30")
    indicators = catalogue(folder_with(tmp_path, text, "sma_v3"))
    assert [one.version for one in indicators.newest if one.name == "sma"] == [3]
    with duckdb.connect() as con:
        indicators.install(con)
        con.execute(
            "CREATE TABLE t AS SELECT 'A' AS symbol, DATE '2020-01-01' + i::INTEGER AS date, i AS close "
            "FROM range(40) AS r (i)"
        )
        counts = "SELECT count(sma) FROM {}"
        assert con.execute(counts.format("sma('t')")).fetchall() == [(11,)]
        assert con.execute(counts.format("sma_v1('t', 20, close)")).fetchall() == [(21,)]


def test_an_alias_stands_for_one_indicator() -> None:
    newest = catalogue().newest
    aliases = [alias for one in newest for alias in one.header.aliases]
    others = {name for one in newest for name in (one.name, *one.returns)}
    assert len(aliases) == len({*aliases} - others) > 0


def test_an_indicator_of_the_user_precedes_an_alias(tmp_path: Path) -> None:
    indicators = catalogue(folder_with(tmp_path, SMA.replace("sma", "rma"), "rma_v1"))
    assert indicators.find("rma")[0].macro == "rma_v1"
    with duckdb.connect() as con:
        indicators.install(con)
        con.execute("CREATE TABLE t AS SELECT 'A' AS symbol, DATE '2020-01-01' + i::INTEGER AS date, i * i AS close "
                    "FROM range(40) AS r (i)")  # fmt: skip
        both = "SELECT rma IS DISTINCT FROM sma FROM rma('t', 5) JOIN sma('t', 5) USING (symbol, date)"
        assert con.execute(f"SELECT count(*) FROM ({both}) AS t (differs) WHERE differs").fetchall() == [(0,)]


def test_new_writes_an_indicator_and_a_test_that_passes(tmp_path: Path) -> None:
    ran = run_cli("indicators", "new", "my_mean", "--sql-path", str(tmp_path))
    assert ran.out.split() == [f"{tmp_path}/my_mean_v1.sql", f"{tmp_path}/test_my_mean.py"]
    assert pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=", ran.out.split()[1]]) == 0
    assert "my_mean(20)" in run_cli("indicators", "list", "--sql-path", str(tmp_path)).out
    again = run_cli("indicators", "new", "my_mean", "--sql-path", str(tmp_path))
    assert (again.code, "exists already" in again.err) == (2, True)
    assert run_cli("indicators", "new", "My-Average", "--sql-path", str(tmp_path)).code == 2


def test_new_outside_the_repository_writes_to_the_folder_indicators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_cli("indicators", "new", "my_mean")
    assert ran.out.split() == ["indicators/my_mean_v1.sql", "indicators/test_my_mean.py"]
    assert [path.name for path in tmp_path.iterdir()] == ["indicators"]


def test_new_in_the_repository_writes_the_sql_file_and_its_oracle() -> None:
    """tests/test_recipes.py follows the whole recipe, in a copy of the repository."""
    files = repository_files("my_mean", "trend", date(2026, 11, 26))
    root = HOME.resolve().parent
    assert [str(path.relative_to(root)) for path in files] == [
        "sql/indicators/trend/my_mean_v1.sql",
        "tests/sql/indicators/oracles/my_mean.py",
    ]
    assert is_checkout(root / "sql")
    assert not is_checkout(root.parent)
