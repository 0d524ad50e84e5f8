"""`stockstream shell`: starts the duckdb shell with the views of a lake, from any folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from stockstream.analytics.cli.options import AsOfOption, LakeOption, existing_lake, lake_uri
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.session import generation_of, open_lake
from stockstream.sql.errors import UsageError
from stockstream.sql.generate.shell_script import script_with_catalogue
from stockstream.sql.loader import HOME
from stockstream.sql.session import EXTENSIONS, extension, quoted
from stockstream.sql.session.catalogue_file import usable_file
from stockstream.sql.variables import assignment

WITH_VALUE = ("c", "s", "cmd", "f", "init", "newline", "nullvalue", "separator", "storage-version")
"""The options of the duckdb shell that take a value."""


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
        existing_lake(uri)
    generation = generation_of(uri, as_of)
    with tempfile.TemporaryDirectory(prefix="stockstream-shell-") as folder:
        script = Path(folder) / "init.sql"
        catalogue = usable_file() if _can_copy(duckdb, arguments or []) else None
        script.write_text(_script(uri, generation, folder, catalogue), encoding="utf-8")
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the shell
        try:
            result = subprocess.run([duckdb, "-init", str(script), *(arguments or [])], check=False)
        finally:
            signal.signal(signal.SIGINT, previous)
    raise typer.Exit(result.returncode)


def _can_copy(duckdb: str, arguments: Sequence[str]) -> bool:
    """Return whether the shell can read a catalogue file, and has no views in its database: that of memory.

    A file is read by the version of DuckDB that has made it.
    """
    try:
        if Path(duckdb).parent != Path(sys.executable).parent or version("duckdb-cli") != version("duckdb"):
            return False
    except PackageNotFoundError:
        return False
    options = iter(arguments)
    for option in options:
        name = option.lstrip("-")
        if not option.startswith("-") or name == "safe":
            return False
        if name in WITH_VALUE:
            next(options, None)
    return True


def _script(lake: str, generation: int | None, folder: str, catalogue: Path | None) -> str:
    """Return the script that the shell runs first: set the lake's variables, load extensions, create the views."""
    values = {"lake": lake, "generation": generation, "sql_home": str(HOME) if catalogue else folder}
    lines = [f"{assignment(name, value)};" for name, value in values.items()]
    if lake.startswith("s3://"):
        lines += [f"LOAD {quoted(extension(name))};" for name in EXTENSIONS]
    views = script_with_catalogue(catalogue, lake.startswith("s3://")) if catalogue else f'.read "{HOME}/init.sql"\n'
    return "\n".join([*lines, views])
