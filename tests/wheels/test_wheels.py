"""Our wheel beside jupysql, whose top-level package is called `sql`: both work, in either order of installation.

Run by `make test-wheels`: it installs both from the package index into empty environments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheels

UV = Path(sys.executable).with_name("uv")
MAGIC = """
import duckdb
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.user_ns["con"] = duckdb.connect()
shell.run_line_magic("load_ext", "sql")
shell.run_line_magic("sql", "con --alias memory")
rows = [tuple(row) for row in shell.run_line_magic("sql", "SELECT 42 AS answer")]
shell.run_line_magic("sql", "--close memory")
assert rows == [(42,)], rows
"""
"""What a notebook does with jupysql: `%load_ext sql` and `%sql SELECT 42`, on DuckDB."""


class Environment:
    """An empty virtual environment, used from an empty folder."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        folder.mkdir()
        self.run(str(UV), "venv", "--quiet", "--python", python, "venv")

    def run(self, *command: str) -> str:
        """Run a command; return its standard output."""
        environment = os.environ | {"HOME": str(self.folder), "PLOOMBER_STATS_ENABLED": "false", "COLUMNS": "100"}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def pip(self, action: str, *packages: str) -> None:
        """Install or uninstall packages; uv links the files of its cache, so that a second environment is cheap."""
        cache = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
        python = str(self.bin / "python")
        self.run(str(UV), "--cache-dir", cache, "pip", action, "--quiet", "--python", python, *packages)

    def assert_stockstream_works(self) -> None:
        command = str(self.bin / "stockstream")
        assert "Usage: stockstream" in self.run(command, "--help")
        assert "rsi" in self.run(command, "indicators", "list")
        query = "import stockstream.analytics as a; print(a.connect('none').sql('SELECT 1').fetchall())"
        assert self.run(str(self.bin / "python"), "-c", query) == "[(1,)]\n"

    def assert_magic_works(self) -> None:
        self.run(str(self.bin / "python"), "-c", MAGIC)


JUPYSQL = ("jupysql", "ipython")


@pytest.mark.parametrize("order", ["ours first", "jupysql first"])
def test_our_wheel_and_jupysql_work_beside_each_other(order: str, wheel: str, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "project")
    steps: list[Sequence[str]] = [(wheel,), JUPYSQL]
    for packages in steps if order == "ours first" else reversed(steps):
        environment.pip("install", *packages)
    environment.assert_stockstream_works()
    environment.assert_magic_works()

    environment.pip("uninstall", "jupysql")
    environment.assert_stockstream_works()
    environment.pip("install", *JUPYSQL)
    environment.pip("uninstall", "stock-stream")
    environment.assert_magic_works()
