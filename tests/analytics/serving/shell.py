"""DuckDB's own shell as a client of `stockstream serve --quack`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stockstream.sql.session.s3 import extension

PROGRAM = Path(sys.executable).with_name("duckdb")
DONE = "-- done --"


class Shell:
    """A shell that has attached a server as `lake`, or could not: `greeting` is what it printed."""

    def __init__(self, address: str, key: str) -> None:
        self._process = subprocess.Popen(
            [PROGRAM, "-no-init", "-jsonlines"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        host = address.removeprefix("http://")
        loads = [f"LOAD '{extension(name)}'" for name in ("httpfs", "quack")]
        self.greeting = self.run(*loads, f"ATTACH 'quack:{host}' AS lake (TOKEN '{key}')")

    def run(self, *statements: str) -> str:
        """Return what the shell prints for statements, an error or rows as JSON."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(";\n".join((*statements, "")) + f".print {DONE}\n")
        self._process.stdin.flush()
        lines: list[str] = []
        while not (lines and lines[-1].endswith(f"{DONE}\n")):  # after an error, what it cuts off is on the same line
            lines.append(self._process.stdout.readline())
            assert lines[-1], "the shell has ended"
        return "".join(lines).removesuffix(f"{DONE}\n")

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows of a statement."""
        text = self.run(statement)
        assert "Error" not in text, text
        return [json.loads(line) for line in text.splitlines()]

    def remote(self, query: str) -> str:
        """Return what the shell prints for a query that runs at the server."""
        return self.run(f"FROM lake.query({quoted(query)})")

    def close(self) -> None:
        """End the shell."""
        self._process.communicate()


def quoted(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def as_json(names: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return rows as the shell prints them."""
    return [json.loads(json.dumps(dict(zip(names, row, strict=True)), default=str)) for row in rows]
