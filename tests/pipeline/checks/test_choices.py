"""Which checks run and which bad rows are reported: selection, --since, tolerance, baseline, stored rows."""

from __future__ import annotations

import json
from pathlib import Path

import polars
import pytest
import typer
from typer.testing import CliRunner, Result

from stockstream.analytics.cli.commands.check import check_command
from stockstream.pipeline.errors import UsageError


def cli(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(check_command)
    ran = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(ran.exception, UsageError):
        raise ran.exception
    return ran


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the working directory, with a table of ten days and checks on it."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"A,2024-01-{day:02},{day}\n" for day in range(1, 11))
    (tmp_path / "t.csv").write_text("symbol,date,close\n" + rows)
    (tmp_path / "rules.yml").write_text(
        """
tables:
  t:
    key: [symbol, date]
    tags: [daily]
    rules:
      - range: {columns: close, max: 7}
        name: t__high
      - range: {columns: close, min: 3}
        name: t__low
        tags: [slow]
"""
    )
    (tmp_path / "whole.sql").write_text("/* ---\ntags: slow, sql\n--- */\nSELECT 'no date' AS detail")
    return tmp_path


FILES = ("rules.yml", "whole.sql", "--table", "t=t.csv")


def bad_rows(*arguments: str | Path) -> dict[str, int]:
    return {one["check"]: one["bad_rows"] for one in json.loads(cli(*FILES, *arguments, "--json").stdout)["checks"]}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], ["t__high", "t__low", "whole"]),
        (["--select", "t__*"], ["t__high", "t__low"]),
        (["--select", "*low", "--select", "whole"], ["t__low", "whole"]),
        (["--exclude", "t__high"], ["t__low", "whole"]),
        (["--select", "t__*", "--exclude", "*high"], ["t__low"]),
        (["--tag", "daily"], ["t__high", "t__low"]),
        (["--tag", "slow"], ["t__low", "whole"]),
        (["--tag", "sql", "--tag", "daily"], ["t__high", "t__low", "whole"]),
        (["--tag", "slow", "--select", "t*"], ["t__low"]),
    ],
)
def test_checks_are_selected_by_name_and_tag(options: list[str], names: list[str], folder: Path) -> None:
    assert list(bad_rows(*options)) == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--select", "t__hihg"], "--select t__hihg: no check is called so; did you mean t__high?"),
        (["--exclude", "x*"], "--exclude x*: no check is called so"),
        (["--tag", "dayly"], "--tag dayly: no check has this tag; did you mean daily?"),
        (["--select", "whole", "--exclude", "whole"], "leave no check"),
    ],
)
def test_an_unknown_name_or_tag_is_wrong_usage(options: list[str], message: str, folder: Path) -> None:
    with pytest.raises(UsageError) as error:
        cli(*FILES, *options)
    assert message in str(error.value)


def test_a_shipped_check_is_no_file() -> None:
    with pytest.raises(
        UsageError, match=r"no file bars__uniqe: one of the shipped checks is run with --select bars__unique"
    ):
        cli("bars__uniqe")


def test_since_leaves_out_older_rows_and_keeps_those_without_a_date(folder: Path) -> None:
    assert bad_rows() == {"t__high": 3, "t__low": 2, "whole": 1}
    assert bad_rows("--since", "2024-01-09") == {"t__high": 2, "t__low": 0, "whole": 1}


@pytest.mark.parametrize(
    ("tolerate", "status"), [("0", "fail"), ("2 rows", "fail"), ("3 rows", "ok"), ("29.9 %", "fail"), ("30%", "ok")]
)
def test_tolerance(tolerate: str, status: str, folder: Path) -> None:
    header = f"/* ---\ntolerate: {tolerate}\nrows_of: t\n--- */\n"
    Path("one.sql").write_text(header + "SELECT symbol, date FROM t WHERE close > 7")
    ran = cli("one.sql", "--table", "t=t.csv", "--json")
    (one,) = json.loads(ran.stdout)["checks"]
    assert (one["status"], one["bad_rows"], ran.exit_code) == (status, 3, int(status == "fail"))
    if status == "ok":
        of = " of 10 rows" if "%" in tolerate else ""
        assert f"3{of} tolerated" in cli("one.sql", "--table", "t=t.csv").stdout


def test_bad_rows_of_a_baseline_are_not_news(folder: Path) -> None:
    assert cli(*FILES, "--write-baseline", "known.jsonl").exit_code == 1
    lines = Path("known.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"check": "t__high", "key": ["A", "2024-01-08"]}
    assert lines == sorted(lines)
    ran = cli(*FILES, "--baseline", "known.jsonl")
    assert ran.exit_code == 0
    assert "3 in the baseline" in ran.stdout
    with Path("t.csv").open("a") as file:
        file.write("A,2024-01-11,11\n")
    ran = cli(*FILES, "--baseline", "known.jsonl", "--json")
    (high, *rest) = json.loads(ran.stdout)["checks"]
    assert (ran.exit_code, high["bad_rows"], high["known_rows"], high["rows"][0]["date"]) == (1, 1, 3, "2024-01-11")
    assert [one["status"] for one in rest] == ["ok", "ok"]
    cli(*FILES, "--baseline", "known.jsonl", "--write-baseline", "known.jsonl")
    assert len(Path("known.jsonl").read_text().splitlines()) == len(lines) + 1


def test_the_detail_is_no_part_of_the_key(folder: Path) -> None:
    """A known row stays known when its text changes."""
    Path("one.sql").write_text("SELECT symbol, date, 'first text' AS detail FROM t WHERE close > 9")
    cli("one.sql", "--table", "t=t.csv", "--write-baseline", "known.jsonl")
    Path("one.sql").write_text("SELECT symbol, date, 'it''s ünother' AS detail FROM t WHERE close > 8")
    ran = cli("one.sql", "--table", "t=t.csv", "--baseline", "known.jsonl", "--json")
    (one,) = json.loads(ran.stdout)["checks"]
    assert (one["known_rows"], one["bad_rows"]) == (1, 1)


@pytest.mark.parametrize("key", ["NULL", "'ü''\"x'", "1.50", "[1, 2]", "'a' || chr(10)"])
def test_keys_of_every_type(key: str, folder: Path) -> None:
    sql = f"SELECT {key} AS k"
    assert cli("--sql", sql, "--table", "t=t.csv", "--write-baseline", "known.jsonl").exit_code == 1
    assert cli("--sql", sql, "--table", "t=t.csv", "--baseline", "known.jsonl").exit_code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read the baseline known.jsonl: No such file"),
        ("{}", "line 1: a line is"),
        ("x", "line 1: a line is"),
    ],
)
def test_a_wrong_baseline_is_wrong_usage(text: str | None, message: str, folder: Path) -> None:
    if text is not None:
        Path("known.jsonl").write_text(text)
    with pytest.raises(UsageError, match=message):
        cli(*FILES, "--baseline", "known.jsonl")


def test_bad_rows_are_stored_as_parquet(folder: Path) -> None:
    cli(*FILES, "--sql", "SELECT range AS n FROM range(20000)", "--store", "bad")
    assert sorted(path.name for path in Path("bad").iterdir()) == [
        "sql.parquet",
        "t__high.parquet",
        "t__low.parquet",
        "whole.parquet",
    ]
    frame = polars.read_parquet("bad/t__high.parquet")
    assert frame.columns == ["symbol", "date", "detail"]
    assert (frame.height, frame.schema["date"]) == (3, polars.Date)
    assert polars.read_parquet("bad/sql.parquet").height == 20_000
    cli(*FILES, "--since", "2024-01-09", "--store", "bad")
    assert sorted(path.name for path in Path("bad").iterdir()) == ["sql.parquet", "t__high.parquet", "whole.parquet"]


def test_show_sql_prints_what_would_run(folder: Path) -> None:
    ran = cli("rules.yml", "--select", "t__high", "--show-sql")
    assert ran.exit_code == 0
    assert ran.stdout.startswith('-- t__high\nSELECT "symbol", "date", detail\nFROM (')
    assert cli("--sql", ran.stdout, "--table", "t=t.csv").exit_code == 1
