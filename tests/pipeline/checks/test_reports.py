"""What CI systems read: JUnit XML (read by junitparser), annotations of GitHub, Markdown, JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from junitparser import JUnitXml
from typer.testing import CliRunner, Result

from stockstream.analytics.cli.commands.check import check_command
from stockstream.pipeline.errors import UsageError

NASTY = 'a%b\n::error::c,d:e | ``` <x> & "q" ]]> \x01 \ud83d\ude00'.encode("utf-16", "surrogatepass").decode("utf-16")


def cli(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(check_command)
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a check of each result, in the working directory of the test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,date\n1,2024-01-08\n2,2024-01-09\n")
    checks = tmp_path / "checks"
    checks.mkdir()
    (checks / "passes.sql").write_text("/* ---\ntitle: Nothing.\n--- */\nFROM t WHERE a > 5")
    (checks / "warns.sql").write_text("/* ---\nseverity: warn\ntitle: A two.\n--- */\nFROM t WHERE a = 2")
    text = NASTY.replace("'", "''")
    (checks / "fails.sql").write_text(
        f"/* ---\ntitle: A | row.\nfix: delete it\n--- */\nSELECT a, '{text}' AS detail FROM t"
    )
    (checks / "breaks.sql").write_text("SELECT x FROM none")
    (checks / "rules.yml").write_text("tables:\n  t:\n    rules:\n      - unique: a\n      - not_nul: a\n")
    return tmp_path


ARGUMENTS = ("checks", "--table", "t=t.csv")


def test_junit_is_read_by_a_parser(folder: Path) -> None:
    ran = cli(*ARGUMENTS, "--output", "out/junit.xml")
    assert ran.exit_code == 4
    xml = JUnitXml.fromfile("out/junit.xml")
    (suite,) = list(xml)
    cases = {case.name: case for case in suite}
    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == ("t", 6, 1, 2, 0)
    assert (xml.tests, xml.failures, xml.errors) == (6, 1, 2)
    assert cases["passes"].is_passed
    assert cases["warns"].is_passed
    assert cases["warns"].system_out == "warned\n2 2024-01-09"
    (failure,) = cases["fails"].result
    assert (type(failure).__name__, failure.message) == ("Failure", "2 bad rows")
    assert failure.text.startswith("1 a%b\n::error::c")
    assert "what to do: delete it" in failure.text
    (error,) = cases["breaks"].result
    assert (type(error).__name__, "none does not exist" in error.message) == ("Error", True)
    assert cases["t__unique_a"].is_passed
    assert cases["rules.yml:t:2"].result[0].message.startswith("rules.yml, line 5, t.rules.not_nul")


def test_annotations_of_github_name_file_and_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary"))
    (folder / "summary").write_text("before\n")
    ran = cli(*ARGUMENTS, "--format", "github")
    lines = ran.stdout.splitlines()
    assert [re.split(r"::", line, maxsplit=2)[1].split(",")[0] for line in lines] == [
        "error title=breaks%3A could not be run",
        "error title=fails%3A failed",
        "error title=rules.yml%3At%3A2%3A could not be run",
        "warning title=warns%3A warned",
    ]
    assert lines[2].startswith("::error title=rules.yml%3At%3A2%3A could not be run,file=checks/rules.yml,line=5::")
    assert "1 a%25b%0A::error::c" in lines[1]
    summary = (folder / "summary").read_text()
    assert summary.startswith("before\n### Data checks of `t`: 6 checks, 1 failed, 2 could not be run, 1 warned\n")


def test_markdown_is_a_table_and_the_bad_rows(folder: Path) -> None:
    text = cli(*ARGUMENTS, "--format", "markdown").stdout
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(table) == 8
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in table)
    assert "| `fails` | failed | 2 | A \\| row. |" in text
    fences = [line for line in text.splitlines() if line in ("```", "````")]
    assert fences == ["```", "```", "````", "````", "```", "```", "```", "```"]


def test_several_outputs_at_once_beside_the_table(folder: Path) -> None:
    names = ("a.xml", "b.json", "c.md", "github:d.txt", "json:e")
    ran = cli(*ARGUMENTS, *(part for name in names for part in ("--output", name)))
    assert "6 checks, 1 failed, 2 could not be run, 1 warned" in ran.stdout
    assert json.loads(Path("b.json").read_text()) == json.loads(Path("e").read_text())
    assert [Path(name).stat().st_size > 100 for name in ("a.xml", "b.json", "c.md", "d.txt", "e")] == [True] * 5
    assert json.loads(Path("b.json").read_text())["status"] == "error"
    assert cli(*ARGUMENTS, "--format", "json").stdout == cli(*ARGUMENTS, "--json").stdout


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("x.txt", "--output x.txt: the name ends with none of"),
        ("junitt:x", "did you mean junit"),
        ("t.csv/x.md", "--output t.csv/x.md: "),
    ],
)
def test_an_output_that_cannot_be_written_is_wrong_usage(output: str, message: str, folder: Path) -> None:
    ran = cli(*ARGUMENTS, "--output", output)
    assert isinstance(ran.exception, UsageError)
    assert message in str(ran.exception)


@pytest.mark.parametrize(
    ("select", "code"), [("passes", 0), ("warns", 0), ("fails", 1), ("breaks", 4), ("[bf]*", 4), ("[wf]*", 1)]
)
def test_exit_codes(select: str, code: int, folder: Path) -> None:
    assert cli(*ARGUMENTS, "--select", select).exit_code == code
