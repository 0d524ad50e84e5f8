"""Compares every SQL file with its header, with DuckDB's catalogue and with the list of variables."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from stockstream.pipeline.alerts.rules import find_rules
from stockstream.pipeline.checks import SEVERITIES
from stockstream.sql.catalogue import catalogue
from stockstream.sql.generate.formats import compiled
from stockstream.sql.loader import HOME, SqlFile, load, views
from stockstream.sql.session import connect
from stockstream.sql.variables import VARIABLES, set_variable

FILES = sorted(
    path.relative_to(HOME).with_suffix("").as_posix()
    for path in HOME.rglob("*.sql")
    if path != HOME / "init.sql" and path.parent.parent != HOME / "indicators"
    if path != HOME / "indicators/aliases.sql"
)
"""All SQL files but the indicators, whose headers are checked when they are read (indicators/test_catalogue.py)."""
KERNELS = sorted(path.relative_to(HOME).with_suffix("").as_posix() for path in HOME.glob("indicators/kernels/*.sql"))
CHECKS = [name for name in FILES if name.startswith("checks/")]
ALERTS = [name for name in FILES if name.startswith("alerts/")]
RULES = [name for name in FILES if name.startswith("rules/")]
STEPS = [name for name in FILES if name.startswith("steps/")]
TEXTS = {name: load(name) for name in (*FILES, *KERNELS)}
KEYS = {
    "name", "title", "status", "grain", "params", "needs", "variables", "sets", "tables", "prices", "returns", "makes",
    "example", "reference", "changes",
}  # fmt: skip
CHECK_KEYS = {"severity", "blocking", "by_symbol", "fix"}
ALERT_KEYS = {"severity", "cooldown", "channels", "runs"}
ARGUMENTS = {"DATE": "2020-01-02", "INTEGER": 1, "VARCHAR": "5", "VARCHAR[]": ["AAA"], "BOOLEAN": True}
"""A value per type of a variable or parameter."""


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    return connect(str(tmp_path_factory.mktemp("empty")))


def columns_of(returns: str) -> list[str]:
    """Return the columns in a header's `returns`: names (with explanations), or those of another object."""
    text = re.sub(r"\([^()]*\)", "", returns).split(";")[0]

    def columns(match: re.Match[str]) -> str:
        if match[2]:
            return ", ".join(columns_of(load(f"views/{match[2]}").header["returns"]))
        return ", ".join(duckdb.sql(f"FROM '{HOME}/schema/{match[1]}.parquet'").columns)

    text = re.sub(r"the columns of (?:schema/(\w+)\.sql|(\w+))", columns, text)
    return [name for part in re.split(r", then | and |,", text) if (name := part.strip())]


def read_variables(text: str) -> set[str]:
    return set(re.findall(r"getvariable\('(\w+)'\)", text))


def set_variables(text: str) -> set[str]:
    return set(re.findall(r"^SET VARIABLE (\w+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", [*FILES, *KERNELS])
def test_header_names_the_file_and_says_what_it_is(name: str) -> None:
    header = load(name).header
    assert header["name"] == Path(name).name
    assert header["title"].endswith(".") or ";" in header["title"]
    assert header["status"] in ("active", "deprecated")
    assert header["changes"]
    more = CHECK_KEYS if name in CHECKS else ALERT_KEYS if name in ALERTS else set()
    assert set(header) <= KEYS | more


@pytest.mark.parametrize("name", [*FILES, *KERNELS])
def test_header_lists_what_the_file_needs(name: str) -> None:
    file = load(name)
    views_and_kernels = {load(other).header["name"] for other in (*views(), *KERNELS)}
    for needed in file.header["needs"]:
        assert needed in views_and_kernels or needed in FILES, f"{name} needs {needed}, which does not exist"
    read, sets = read_variables(file.body), set_variables(file.body)
    assert set(file.header.get("sets", [])) == sets
    assert read - sets <= set(file.header.get("variables", [])) <= read


def test_every_variable_is_listed_and_every_listed_variable_is_used() -> None:
    names = set().union(*(read_variables(file.body) | set_variables(file.body) for file in TEXTS.values()))
    assert names == set(VARIABLES)
    script = (HOME / "init.sql").read_text(encoding="utf-8")
    assert read_variables(script) | set_variables(script) <= set(VARIABLES)


def test_python_sets_no_variable_by_itself() -> None:
    for path in (
        file for package in ("sql", "pipeline", "analytics") for file in (HOME.parent / package).rglob("*.py")
    ):
        if path.relative_to(HOME.parent).as_posix() not in ("sql/variables.py", "sql/generate/shell_script.py"):
            assert "SET VARIABLE" not in path.read_text(encoding="utf-8"), f"{path}: use set_variable()"


@pytest.mark.parametrize("name", ["raw_file", "manifest"])
def test_an_unknown_variable_and_one_that_sql_sets_are_errors(name: str, con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(KeyError, match=rf"{name} is not a variable that Python sets"):
        set_variable(con, name, [])


@pytest.mark.parametrize("name", views())
def test_view_returns_what_its_header_says(name: str, con: duckdb.DuckDBPyConnection) -> None:
    file = load(name)
    pattern = r"CREATE OR REPLACE (VIEW|MACRO) (\w+)(?:\([^)]*\))? AS(?: TABLE)?(?: \()?\n *(?:SELECT|WITH)"
    kinds = {view: kind for kind, view in re.findall(pattern, file.text)}
    query = file.header["name"]
    assert query in kinds, f"{name} creates neither the view nor the table macro {query}"
    if kinds[query] == "MACRO":
        query = file.header["example"].removeprefix("FROM ")
        assert query.startswith(f"{file.header['name']}("), (
            f"{name}: the example should be FROM {file.header['name']}(…)"
        )
    assert ("params" in file.header) == (kinds[file.header["name"]] == "MACRO")
    for view in (query, *file.header.get("makes", {})):
        assert con.sql(f"FROM {view}").columns == columns_of(file.header["returns"])


@pytest.mark.parametrize("name", CHECKS)
def test_check_is_one_select_of_bad_rows(name: str, con: duckdb.DuckDBPyConnection) -> None:
    header = load(name).header
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*__[a-z]+(_[a-z]+)*", header["name"])
    assert header["severity"] in SEVERITIES
    assert header["severity"] == "fail" or not header.get("blocking")
    assert header["fix"]
    (statement,) = con.extract_statements(load(name).text)
    set_variable(con, "damaged_files", {})  # of an empty lake; it is not set where no program has compared the files
    rows = con.sql(statement.query)
    assert rows.columns == columns_of(header["returns"])
    assert (rows.columns[0] in ("symbol", "file"), rows.columns[-1]) == (True, "detail")
    assert rows.fetchall() == []


def ctes(query: str) -> list[str]:
    return re.findall(r"(?:^WITH |^)(\w+) AS \($", query, re.MULTILINE)


@pytest.mark.parametrize("name", ALERTS)
def test_alert_rule_is_one_select_of_symbol_value_and_message(name: str, tmp_path: Path) -> None:
    file = load(name)
    (rule,) = (rule for rule in find_rules() if rule.name == file.header["name"])
    assert rule.error is None
    assert rule.header is not None
    assert set(file.header) >= ALERT_KEYS
    with connect(str(tmp_path)) as con:
        prepare(con, file)
        rows = con.sql(file.body)
        assert rows.columns == columns_of(file.header["returns"]) == ["symbol", "value", "message"]
        assert rule.reads <= {*rule.header.needs, *rule.header.tables, *ctes(file.body)}


def prepare(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    """Create the tables that a step needs: those of its caller, and those of the steps before it."""
    for needed in file.header["needs"]:
        if needed.startswith("steps/"):
            prepare(con, load(needed))
            run(con, load(needed))
    for table, columns in file.header.get("tables", {}).items():
        if columns.startswith("schema/"):
            con.execute(load(columns).text)
            con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM {Path(columns).name} LIMIT 0")
            con.execute(f"DROP TABLE IF EXISTS temp.{Path(columns).name}")
        else:
            con.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({columns})")
    for name in file.header.get("variables", []):
        if VARIABLES[name].type and name not in ("fresh_files", "raw_files", "sql_home", "manifest"):
            set_variable(con, name, ARGUMENTS[VARIABLES[name].type])
    for name in ("list_files", "date_files"):
        set_variable(con, name, [])


def run(con: duckdb.DuckDBPyConnection, file: SqlFile) -> list[str]:
    """Run a step; return the columns of its rows."""
    types = {name: str(kind).split(",")[0] for name, kind in file.header["params"].items()}
    con.execute(file.text, {name: ARGUMENTS[kind] for name, kind in types.items()} or None)
    return [column[0] for column in con.description or ()]


@pytest.mark.parametrize("name", STEPS)
def test_step_returns_and_makes_what_its_header_says(name: str, tmp_path: Path) -> None:
    file = load(name)
    with connect(str(tmp_path)) as con:
        if name in ("steps/foreign_files", "steps/complete_files", "steps/changed_batches"):  # they need a file
            for variable, file_name in {"fresh_files": "session", "raw_files": "raw"}.items():
                set_variable(con, variable, [str(HOME / f"schema/{file_name}.parquet")])
        prepare(con, file)
        assert set(re.findall(r"\$(\w+)", file.body)) == set(file.header["params"])
        columns = run(con, file)
        for table, made in file.header.get("makes", {}).items():
            assert con.sql(f"FROM temp.{table}").columns == columns_of(made)
        if "makes" not in file.header and "sets" not in file.header:
            assert columns == columns_of(file.header["returns"])
            assert len(con.extract_statements(file.text)) == 1


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_is_a_macro_with_the_parameters_of_its_header(name: str, con: duckdb.DuckDBPyConnection) -> None:
    header = load(name).header
    row = con.execute(
        "SELECT parameters FROM duckdb_functions() WHERE function_name = ? AND function_type = 'macro'",
        [header["name"]],
    ).fetchone()
    assert row is not None
    assert row[0] == list(header["params"])


@pytest.mark.parametrize("name", views())
def test_example_runs_on_an_empty_lake(name: str, con: duckdb.DuckDBPyConnection) -> None:
    con.sql(load(name).header["example"]).fetchall()


def test_help_lists_all_objects_with_their_titles(con: duckdb.DuckDBPyConnection) -> None:
    help_ = con.sql("FROM lake_help() WHERE kind IN ('view', 'macro')").fetchall()
    headers = [load(name).header for name in views()]
    titles = {header["name"]: header["title"] for header in headers}
    titles |= {name: title for header in headers for name, title in header.get("makes", {}).items()}
    for one in catalogue().newest:
        titles |= dict.fromkeys((one.name, *one.header.aliases), one.file.header["title"])
    assert {row[0].split("(")[0]: row[2] for row in help_} == titles
    prices = {header["name"]: header.get("prices") for header in headers}
    assert {row[0].split("(")[0]: row[3] for row in help_}.items() >= prices.items()
    notes = con.sql("SELECT name, what FROM lake_help() WHERE kind NOT IN ('view', 'macro')").fetchall()
    assert [name for name, _ in notes] == ["columns", "order", "stockstream repair"]
    assert "add ORDER BY" in notes[1][1]


def test_every_column_of_every_view_has_a_comment_with_its_unit(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.sql(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    ).fetchall()
    assert {row[0] for row in rows} == {row[0] for row in con.sql("SHOW TABLES").fetchall()}
    assert len(rows) > 400
    assert [row[:2] for row in rows if not row[3]] == []
    numbers = [row for row in rows if row[2] in ("DOUBLE", "FLOAT", "BIGINT", "INTEGER", "HUGEINT")]
    assert [row for row in numbers if not re.search(UNITS, row[3])] == []
    comments = {row[:2]: row[3] for row in rows}
    for view, words in BASES.items():
        assert words in comments[view, "close"]


UNITS = r"\b(money|cash|shares|ratio|percent|number|0 to 100|1 above, -1 below|in the unit of|position|is 1|ticks)\b"
"""A word in the comment of a column of numbers that says what they count."""
BASES = {
    "bars": "money per share with the splits up to price_basis",
    "bars_as_traded": "money per share as traded on its day",
    "bars_split_adjusted": "money per share of today (split-adjusted)",
    "bars_adjusted": "money per share adjusted for splits and dividends",
}


@pytest.mark.parametrize("name", ["bars_adjusted", "bars_3d", "live"])
def test_help_on_a_view_is_its_columns(name: str, con: duckdb.DuckDBPyConnection) -> None:
    first, *others = con.execute("FROM lake_help($name)", {"name": name}).fetchall()
    assert first[:2] == (name, "view")
    assert [row[:2] for row in others] == [row[:2] for row in con.execute(f"DESCRIBE {name}").fetchall()]
    assert all(row[2] for row in others)


@pytest.mark.parametrize("call", ["rsi", "RSI('bars', 14)", "bollinger", "resample", "lake_status()"])
def test_help_on_a_macro_is_its_columns(call: str, con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute("FROM lake_help($call)", {"call": call}).fetchall()
    name = call.lower().split("(")[0]
    calls = [row for row in rows if row[1] == "macro"]
    assert {row[0].split("(")[0] for row in calls} == {name}
    assert [row[0] for row in rows if row[1] == "column"] == con.sql(calls[0][4]).columns
    assert rows[-1][:2] == (("formula", "note") if name in ("rsi", "bollinger") else (rows[-1][0], "column"))
    assert all(row[2] for row in rows)


def test_the_columns_that_the_comments_of_macros_list(tmp_path: Path) -> None:
    with connect(str(tmp_path)) as con:
        con.execute("CREATE TEMP TABLE bars_adjusted AS FROM bars_as_traded LIMIT 0")  # quicker to bind than the view
        macros = con.sql(
            "SELECT DISTINCT function_name, comment FROM duckdb_functions() WHERE NOT internal AND comment IS NOT NULL"
        ).fetchall()
        assert len(macros) > 100
        for name, comment in macros:
            columns = re.findall(r"^- (\w+): \S", comment, re.MULTILINE)
            (example,) = re.findall("^Example: (.*)$", comment, re.MULTILINE)
            assert example.startswith(f"FROM {name}(")
            assert con.sql(example).columns == columns, name


def test_units_of_indicators_are_documented() -> None:
    for one in catalogue().newest:
        assert "see the formula" not in one.header.described.values(), one.macro


def test_help_on_nothing_is_an_error(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.Error, match=r"there is no help on barz: FROM lake_help\(\) lists all"):
        con.sql("FROM lake_help('barz')").fetchall()


def test_views_are_created_after_what_they_need() -> None:
    assert sorted(views()) == [name for name in FILES if name.startswith("views/")]
    order = [load(name).header["name"] for name in views()]
    for name in views():
        header = load(name).header
        for needed in header["needs"]:
            if needed in RULES:
                continue  # they are created before all views
            assert order.index(needed) < order.index(header["name"]), f"{header['name']} is created before {needed}"


def test_pending_rows_have_their_old_name_too(con: duckdb.DuckDBPyConnection) -> None:
    assert con.sql("FROM pending").columns == con.sql("FROM unsettled").columns
    assert load("views/unsettled").header["status"] == "deprecated"


def test_compiled_formats_are_their_definitions() -> None:
    for path, content in compiled().items():
        assert path.read_bytes() == content, f"{path.name}: run `make sql` and commit"


@pytest.mark.parametrize("text", ["SELECT 1;", "/* ---\nname: [\n--- */\nSELECT 1"])
def test_a_file_without_a_good_header_is_named(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.sql").write_text(text)
    monkeypatch.setattr("stockstream.sql.loader.HOME", tmp_path)
    load.cache_clear()
    with pytest.raises(ValueError, match=r"sql/broken\.sql"):  # the header is parsed when it is needed
        _ = load("broken").header
    load.cache_clear()
