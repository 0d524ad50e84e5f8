"""Files of generic rules: messages that name file, line and key; SQL that a person can read; names and options."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
import sqlglot
import typer
import yaml

from stockstream.analytics.cli.commands.check import check_command
from stockstream.pipeline import checks
from stockstream.pipeline.checks import Check, Finding, find, run_checks
from stockstream.pipeline.checks.rule_parameters import KINDS
from stockstream.pipeline.errors import UsageError


def read(folder: Path, text: str) -> list[Check]:
    path = folder / "rules.yml"
    path.write_text(text)
    return find([path])


def run(checks: list[Check], tables: str) -> list[Finding]:
    with duckdb.connect() as con:
        con.execute(tables)
        return list(run_checks(con, checks))


RULE = "tables:\n  t:\n    rules:\n      - "
WRONG = [
    ("", "rules.yml is no file of rules: it is empty"),
    ("- a", "rules.yml is no file of rules: it is empty, or no mapping"),
    ("tables: [", "rules.yml is no file of rules: while parsing"),
    ("tabels:\n  t: {}", "rules.yml, line 1: tabels: no key is called so; did you mean tables?"),
    ("tables:\n  t:\n    keys: a\n    rules: [unique: a]", "line 3, t.keys: no key is called so; did you mean key?"),
    ("tables:\n  t:\n    key: a", "line 2, t.rules: Field required"),
    (RULE + "uniqe: a", "line 4, t.rules.uniqe: no key is called so; did you mean unique?"),
    (
        RULE + "range:\n          columns: a\n          maxx: 3",
        "line 6, t.rules.range.maxx: no key is called so; did you",
    ),
    (RULE + "range: {columns: a}", "line 4, t.rules.range: write at least one of min, max, above, below"),
    (RULE + "unique: a\n        severty: warn", "line 5, t.rules.severty: no key is called so; did you mean severity?"),
    (RULE + "unique: a\n        severity: error", "line 5, t.rules.severity: Input should be 'fail' or 'warn'"),
    (
        RULE + "unique: a\n        tolerate: some",
        "line 5, t.rules.tolerate: tolerate is some: write e.g. 5 rows, or 0.1 %",
    ),
    (RULE + "unique: a\n        not_null: b", "line 4, t.rules: a rule has one of the keys unique, not_null"),
    (RULE + "severity: warn", "line 4, t.rules: a rule has one of the keys unique, not_null"),
    (RULE + "recency: {within: soon}", "line 4, t.rules.recency.within: String should match"),
    (RULE + "row_count: {within: 20}", "line 4, t.rules.row_count.within: 20: write a share as e.g. 20 %"),
    (RULE + "row_count: {}", "line 4, t.rules.row_count: write min and max"),
    (
        RULE + "exists_in: {columns: [a, b], table: u, other_columns: c}",
        "columns and other_columns have different lengths",
    ),
    (RULE + "unique: a\n        unique: b", "line 5: unique is there twice"),
    (RULE + "unique: 7", "line 4, t.rules.unique"),
    (RULE + "hello", "line 4, t.rules: Input should be a valid dictionary"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_named_with_file_line_and_key(text: str, message: str, tmp_path: Path) -> None:
    (check,) = read(tmp_path, text)
    assert check.error is not None
    assert message in check.error
    assert check.error.startswith("rules.yml")
    assert "\n" not in check.error


def test_a_wrong_rule_stops_no_other(tmp_path: Path) -> None:
    checks = read(
        tmp_path, RULE + "uniqe: a\n      - unique: a\n  u:\n    rules: []\n  v:\n    rules:\n      - not_null: a\n"
    )
    tables = "CREATE TABLE t AS SELECT 1 AS a FROM range(2); CREATE TABLE v AS SELECT NULL AS a"
    assert [finding.status for finding in run(checks, tables)] == ["error", "fail", "error", "fail"]


def test_names_are_quoted_whatever_they_are(tmp_path: Path) -> None:
    """Names and values cannot become SQL."""
    names = ["order", "a b", 'say "x"', "select; DROP TABLE t", "Ü"]
    columns = ", ".join(f"{name!r}" for name in names)
    text = f"""
tables:
  "my table; --":
    key: [{columns}]
    rules:
      - unique: [{columns}]
      - not_null: [{columns}]
      - accepted_values: {{columns: order, values: ["it's", "'; DROP TABLE x; --"]}}
      - exists_in: {{columns: order, table: 'main.o"o', other_columns: 'a b'}}
      - same_totals: {{table: 'o"o', by: order}}
"""
    quoted = ", ".join('1 AS "' + name.replace('"', '""') + '"' for name in names)
    tables = f'CREATE TABLE "my table; --" AS SELECT {quoted}; CREATE TABLE "o""o" AS FROM "my table; --"'
    findings = run(read(tmp_path, text), tables.replace("1 AS", "'1' AS"))
    assert [(finding.error, finding.bad_rows) for finding in findings] == [
        (None, 0),
        (None, 0),
        (None, 1),
        (None, 0),
        (None, 0),
    ]


def test_the_sql_of_every_kind_is_one_query_in_short_lines(tmp_path: Path) -> None:
    text = """
tables:
  bars:
    key: [symbol, date]
    rules:
      - unique: [symbol, date]
      - not_null: [open, close]
      - range: {columns: close, above: 0}
      - accepted_values: {columns: source, values: [yahoo, polygon]}
      - recency: {within: 3 days}
      - row_count: {min: 1}
      - row_count: {within: 20 %}
      - sequential_sessions: {by: symbol}
      - exists_in: {columns: symbol, table: symbols}
      - same_totals: {table: other, sums: volume, by: symbol}
"""
    for check in read(tmp_path, text):
        assert check.error is None
        assert check.title.endswith(".")
        assert len(sqlglot.parse(check.sql.strip().removesuffix(";"), dialect="duckdb")) == 1
        assert "\n\n" not in check.sql
        assert all(len(line) <= 120 and line == line.rstrip() for line in check.sql.splitlines()), check.sql


def test_options_of_a_rule_and_of_its_table(tmp_path: Path) -> None:
    text = """
tables:
  t:
    key: k
    where: k <> 'no'
    tags: [daily]
    rules:
      - unique: a
        name: only_one
        severity: warn
        title: A value twice.
        fix: delete one
        tags: [slow, daily]
        tolerate: 50 %
        where: a > 0
"""
    (check,) = read(tmp_path, text)
    assert (check.name, check.severity, check.title, check.fix) == ("only_one", "warn", "A value twice.", "delete one")
    assert (check.tags, str(check.tolerate), check.line) == (("daily", "slow"), "50 %", 8)
    rows = "VALUES ('x', 1), ('x', 1), ('x', -1), ('x', -1), ('no', 2), ('no', 2)"
    (finding,) = run([check], f"CREATE TABLE t AS SELECT * FROM ({rows}) AS v(k, a)")
    assert (finding.bad_rows, finding.checked_rows, finding.status) == (1, 2, "ok")


def test_two_checks_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"rules.yml, line 4, and .*rules.yml, line 5, are both called t__unique_a"):
        read(tmp_path, RULE + "unique: a\n      - unique: a\n        severity: warn\n")


def test_a_rule_without_a_key_reports_the_whole_row(tmp_path: Path) -> None:
    (finding,) = run(read(tmp_path, RULE + "range: {columns: b, min: 1}"), "CREATE TABLE t AS SELECT 'x' AS a, 0 AS b")
    assert finding.rows == [{"a": "x", "b": 0, "detail": "b is 0"}]


def test_recency_in_hours(tmp_path: Path) -> None:
    checks = read(tmp_path, "tables:\n  t:\n    date: at\n    rules:\n      - recency: {within: 12 hours}")
    now = "CREATE TABLE t AS SELECT (now() AT TIME ZONE 'UTC')::TIMESTAMP"
    assert [run(checks, f"{now} - INTERVAL {hours} HOUR AS at")[0].bad_rows for hours in (11, 13)] == [0, 1]


def test_the_readme_is_right(tmp_path: Path) -> None:
    """Its rules are valid and have all kinds, and its job for GitHub has options that exist."""
    text = (Path(checks.__file__).parent / "README.md").read_text()
    rules, job = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = read(tmp_path, rules)
    assert [check.error for check in found] == [None] * len(found)
    kinds = re.findall(r"^\| `(\w+)` \| ", text, re.MULTILINE)
    assert kinds == list(KINDS)
    assert all(any(check.name.startswith(f"bars__{kind}") for check in found) for kind in kinds)
    (header,) = re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "one.sql").write_text(header)
    assert [check.error for check in find([tmp_path / "one.sql"])] == [None]
    steps = yaml.safe_load(job)["jobs"]["check"]["steps"]
    (command,) = [step["run"] for step in steps if "stockstream check" in step.get("run", "")]
    app = typer.Typer()
    app.command()(check_command)
    options = {parameter.opts[0] for parameter in typer.main.get_command(app).params}
    used = set(re.findall(r"--[a-z-]+", command)) | set(re.findall(r"`(--[a-z-]+)", text))
    assert used <= options
