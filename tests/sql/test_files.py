"""Every SQL file against its header, DuckDB's catalogue and `init.sql`."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from stockstream.pipeline.checks import SEVERITIES
from stockstream.sql.indicator_catalogue import catalogue
from stockstream.sql.loader import HOME, load, views
from stockstream.sql.schema.__main__ import compile_all
from stockstream.sql.session import connect

FILES = sorted(
    str(path.relative_to(HOME).with_suffix(""))
    for path in HOME.rglob("*.sql")
    if path.name != "init.sql" and not path.name.startswith(".") and "indicators" not in path.parts
)
"""All but the indicators, which are held against their headers when they are read: see indicators/test_catalogue.py."""
KEYS = {"name", "title", "status", "grain", "params", "needs", "returns", "reference", "example", "makes", "changes"}
CHECKS = [name for name in FILES if name.startswith("checks/")]
CHECK_KEYS = {"severity", "blocking", "fix"}


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    return connect(str(tmp_path_factory.mktemp("empty")))


def columns_of(returns: str) -> list[str]:
    """Read a header's `returns`: names with explanations in brackets, or the columns of something else."""
    text = re.sub(r"\([^()]*\)", "", returns.split(";")[0])
    raw = duckdb.sql(f"FROM '{HOME}/schema/raw.parquet'").columns
    text = re.sub(r"the columns of (schema/raw\.sql|bars)", ", ".join(raw), text)
    return [name for part in re.split(r", then | and |,", text) if (name := part.strip())]


@pytest.mark.parametrize("name", FILES)
def test_header_names_the_file_and_says_what_it_is(name: str) -> None:
    header = load(name).header
    assert header["name"] == Path(name).name
    assert header["title"].endswith(".") or ";" in header["title"]
    assert header["status"] in ("active", "deprecated")
    assert header["changes"]
    assert set(header) <= KEYS | (CHECK_KEYS if name in CHECKS else set())


@pytest.mark.parametrize("name", views())
def test_view_returns_what_its_header_says(name: str, con: duckdb.DuckDBPyConnection) -> None:
    file = load(name)
    kind = re.search(
        r"CREATE OR REPLACE (VIEW|MACRO) (\w+)(?:\([^)]*\))? AS(?: TABLE)?\nSELECT", file.text
    ) or re.search(r"CREATE OR REPLACE (VIEW|MACRO) (\w+)(?:\([^)]*\))? AS(?: TABLE)?\nWITH", file.text)
    assert kind, f"{name} makes neither a view nor a table macro"
    assert kind[2] == file.header["name"]
    call = file.header["name"]
    if kind[1] == "MACRO":
        arguments = {
            "files": "raw_files()", "since": "'2020-01-01'", "src": "'bars'", "n": "5", "every": "'3d'",
            "day": "'2020-01-02'",
        }  # fmt: skip
        if call == "read_symbols":
            arguments["files"] = "symbol_files()"
        call += f"({', '.join(arguments[p] for p in file.header['params'])})"
    for made in (call, *file.header.get("makes", [])):
        assert con.sql(f"FROM {made}").columns == columns_of(file.header["returns"])


@pytest.mark.parametrize("name", CHECKS)
def test_check_is_one_select_of_bad_rows(name: str, con: duckdb.DuckDBPyConnection) -> None:
    header = load(name).header
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*__[a-z]+(_[a-z]+)*", header["name"])
    assert header["severity"] in SEVERITIES
    assert header["severity"] == "fail" or not header.get("blocking")
    assert header["fix"]
    names = {load(view).header["name"] for view in views()}
    assert all(needed in names or "variable" in needed for needed in header["needs"])
    (statement,) = con.extract_statements(load(name).text)
    rows = con.sql(statement.query)
    assert rows.columns == columns_of(header["returns"])
    assert (rows.columns[0] in ("symbol", "file"), rows.columns[-1]) == (True, "detail")
    assert rows.fetchall() == []


@pytest.mark.parametrize("name", views())
def test_example_runs_on_an_empty_lake(name: str, con: duckdb.DuckDBPyConnection) -> None:
    con.sql(load(name).header["example"]).fetchall()


def test_catalogue_comments_are_the_titles(con: duckdb.DuckDBPyConnection) -> None:
    listed = {row[0].split("(")[0]: row[2] for row in con.sql("FROM lake_help()").fetchall()}
    titles = {load(name).header["name"]: load(name).header["title"] for name in views()}
    titles |= {one.name: one.file.header["title"] for one in catalogue().newest}
    shorthands = {made for name in views() for made in load(name).header.get("makes", [])}
    assert shorthands <= listed.keys()
    assert {name: what for name, what in listed.items() if name not in shorthands} == titles


def test_init_reads_every_view_after_what_it_needs() -> None:
    assert sorted(views()) == [name for name in FILES if name.startswith("views/")]
    order = [load(name).header["name"] for name in views()]
    for name in views():
        header = load(name).header
        for needed in header["needs"]:
            assert order.index(needed) < order.index(header["name"]), f"{header['name']} is read before {needed}"


def test_compiled_formats_are_their_definitions(tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in (HOME / "schema").glob("*.parquet")}
    compile_all()
    after = {path.name: path.read_bytes() for path in (HOME / "schema").glob("*.parquet")}
    assert before == after, "run `make schema` and commit"


def test_no_view_and_no_check_selects_a_star() -> None:
    """Portability: `SELECT *` under QUALIFY, and the rest of DuckDB's dialect that Spark and Athena lack."""
    for name in (*views(), *CHECKS):
        body = load(name).text.split("--- */")[1]
        for forbidden in ("SELECT *", "GROUP BY ALL", "EXCLUDE", "COLUMNS("):
            assert forbidden not in body, f"{name}: {forbidden}"


@pytest.mark.parametrize("text", ["SELECT 1;", "/* ---\nname: [\n--- */\nSELECT 1"])
def test_a_file_without_a_good_header_is_named(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.sql").write_text(text)
    monkeypatch.setattr("stockstream.sql.loader.HOME", tmp_path)
    load.cache_clear()
    with pytest.raises(ValueError, match=r"sql/broken\.sql"):
        load("broken")
    load.cache_clear()
