"""`stockstream shell`: starts the duckdb shell with the views of a lake, from any folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from stockstream.analytics.cli.options import AsOfOption, LakeOption, lake_uri
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.session import generation_of, open_lake
from stockstream.pipeline.lake import Lake
from stockstream.sql.errors import UsageError
from stockstream.sql.loader import HOME
from stockstream.sql.session import EXTENSIONS, extension, quoted
from stockstream.sql.variables import assignment


@command("shell", Panel.QUERY, 20)
def shell_command(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments for duckdb, after --.")] = None,
    lake: LakeOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Start the duckdb shell with the lake's views; `FROM lake_help()` lists them.

    Example: stockstream shell --lake s3://bucket/prefix -- -c "FROM lake_status()"
    """
    scripts = str(Path(sys.executable).parent)
    duckdb = shutil.which("duckdb", path=f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}")
    if duckdb is None:
        raise UsageError("the duckdb shell is not installed: pip install duckdb-cli==1.5.5")
    uri = lake_uri(lake)
    if uri.startswith("s3://"):
        open_lake(uri, verify=False).close()  # for a lake that cannot be listed: duckdb's error has pages
    else:
        Lake(uri).require()
    generation = generation_of(uri, as_of)
    with tempfile.TemporaryDirectory(prefix="stockstream-shell-") as folder:
        script = Path(folder) / "init.sql"
        script.write_text(_script(uri, generation, folder), encoding="utf-8")
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the shell
        try:
            result = subprocess.run([duckdb, "-init", str(script), *(arguments or [])], check=False)
        finally:
            signal.signal(signal.SIGINT, previous)
    raise typer.Exit(result.returncode)


def _script(lake: str, generation: int | None, folder: str) -> str:
    """Return the script that the shell runs first: set the lake's variables, load extensions, read `init.sql`."""
    values = {"lake": lake, "generation": generation, "sql_home": folder}
    lines = [f"{assignment(name, value)};" for name, value in values.items()]
    if lake.startswith("s3://"):
        lines += [f"LOAD {quoted(extension(name))};" for name in EXTENSIONS]
    return "\n".join([*lines, f'.read "{HOME}/init.sql"', ""])
