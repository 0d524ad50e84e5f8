"""`stockstream shell`: the real duckdb shell on a lake, from any folder."""

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

from analytics.cli.options import LakeOption, lake_uri
from sql.errors import UsageError
from sql.loader import HOME
from sql.session import extension, normalise


def shell(
    arguments: Annotated[list[str] | None, typer.Argument(help="Passed on to duckdb, after --.")] = None,
    lake: LakeOption = None,
) -> None:
    """Start the duckdb shell with the lake's views; FROM lake_help() lists them.

    Example: stockstream shell --lake s3://bucket/prefix -- -c "FROM lake_status()"
    """
    beside = str(Path(sys.executable).parent)
    duckdb = shutil.which("duckdb", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if duckdb is None:
        raise UsageError("the duckdb shell is not installed: pip install duckdb-cli==1.5.5")
    with tempfile.TemporaryDirectory(prefix="stockstream-shell-") as folder:
        script = Path(folder) / "init.sql"
        script.write_text(_script(normalise(lake_uri(lake)), folder), encoding="utf-8")
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the shell
        try:
            done = subprocess.run([duckdb, "-init", str(script), *(arguments or [])], check=False)
        finally:
            signal.signal(signal.SIGINT, previous)
    raise typer.Exit(done.returncode)


def _script(lake: str, folder: str) -> str:
    """Give `init.sql` for this lake, with whole paths, so that it runs from any folder."""
    text = (HOME / "init.sql").read_text(encoding="utf-8")
    secret = f"{folder}/secret.sql"
    text = text.replace(".once sql/.secret.sql", f".once {secret}").replace(".read sql/.secret.sql", f".read {secret}")
    text = text.replace(".read sql/", f".read {HOME}/").replace("'.read sql/", f"'.read {HOME}/")
    text = text.replace("SET VARIABLE sql_home = 'sql';", f"SET VARIABLE sql_home = {_quoted(str(HOME))};")
    own = f"SET VARIABLE lake = {_quoted(lake)};\n"
    if lake.startswith("s3://"):
        own += "".join(f"LOAD {_quoted(extension(name))};\n" for name in ("httpfs", "aws"))
    return text.replace(".mode list\n", f"{own}.mode list\n", 1)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
