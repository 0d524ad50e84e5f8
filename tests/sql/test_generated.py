"""The files that `make sql` writes are up to date, deterministic, complete after a new view, and marked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stockstream.sql.generate.files import generated
from stockstream.sql.generate.tables import with_tables
from stockstream.sql.loader import HOME, load, views

ROOT = HOME.parent
VIEW = """/* ---
name: busy_days
title: Days on which many symbols were traded.
status: active
grain: one row per day
needs: [bars_adjusted]
returns: date, symbols (number of symbols)
example: FROM busy_days LIMIT 10
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE VIEW busy_days AS
SELECT date, count(*) AS symbols FROM bars_adjusted GROUP BY date;
"""


def test_generated_files_are_up_to_date() -> None:
    for path, text in generated().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make sql` and commit"


def test_generated_files_are_marked() -> None:
    attributes = (ROOT / ".gitattributes").read_text(encoding="utf-8")
    for path in generated():
        if path.name != "README.md":
            assert f"{path.relative_to(ROOT).as_posix()} linguist-generated" in attributes


def test_every_view_is_in_the_readme() -> None:
    readme = (HOME / "README.md").read_text(encoding="utf-8")
    for name in views():
        assert f"| `{load(name).header['name']}" in readme


def test_a_readme_without_a_place_for_a_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place for the table of views"):
        with_tables("# sql\n")


def test_a_new_view_is_one_file(tmp_path: Path) -> None:
    """The view is added to a copy of the package, so that other tests do not see it."""
    package = tmp_path / "stockstream"
    for folder in ("sql", "pipeline", "analytics"):
        shutil.copytree(ROOT / folder, package / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "sql/views/busy_days.sql").write_text(VIEW, encoding="utf-8")

    def python(*arguments: str) -> str:
        command = [sys.executable, "-P", *arguments]
        environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
        return subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout

    python("-m", "stockstream.sql.generate")
    assert "| `busy_days` | day | Days on which many symbols were traded. |" in (package / "sql/README.md").read_text()
    assert "\nCREATE OR REPLACE VIEW busy_days AS\n" in (package / "sql/init.sql").read_text()
    code = (
        "from stockstream.sql.session import connect; con = connect('empty')\n"
        "print(con.sql(\"SELECT what FROM lake_help() WHERE name = 'busy_days'\").fetchall())\n"
        "print(con.sql('FROM busy_days').fetchall())"
    )
    assert python("-c", code) == "[('Days on which many symbols were traded.',)]\n[]\n"
    before = (package / "sql/init.sql").read_bytes()
    python("-m", "stockstream.sql.generate")
    assert (package / "sql/init.sql").read_bytes() == before
