"""`stockstream shell`: the real duckdb shell on a lake, from any folder."""

from __future__ import annotations

import os
import re
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
from stockstream.analytics.session import generation_of
from stockstream.sql.errors import UsageError
from stockstream.sql.loader import HOME
from stockstream.sql.session import connect, extension, normalise, quoted


@command("shell", Panel.QUERY, 20)
def shell_command(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments for duckdb, after --.")] = None,
    lake: LakeOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Start the duckdb shell with the lake's views; `FROM lake_help()` lists them.

    Example: stockstream shell --lake s3://bucket/prefix -- -c "FROM lake_status()"
    """
    beside = str(Path(sys.executable).parent)
    duckdb = shutil.which("duckdb", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if duckdb is None:
        raise UsageError("the duckdb shell is not installed: pip install duckdb-cli==1.5.5")
    uri = normalise(lake_uri(lake))
    if uri.startswith("s3://"):
        connect(uri, verify=False).close()  # a lake that cannot be listed is one line here, and pages from duckdb
    generation = generation_of(uri, as_of)
    with tempfile.TemporaryDirectory(prefix="stockstream-shell-") as folder:
        script = Path(folder) / "init.sql"
        script.write_text(_script(uri, generation, folder), encoding="utf-8")
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the shell
        try:
            done = subprocess.run([duckdb, "-init", str(script), *(arguments or [])], check=False)
        finally:
            signal.signal(signal.SIGINT, previous)
    raise typer.Exit(done.returncode)


def _script(lake: str, generation: int | None, folder: str) -> str:
    """Give `init.sql` for this lake, with whole paths, so that it runs from any folder."""
    text = (HOME / "init.sql").read_text(encoding="utf-8")

    def whole(match: re.Match[str]) -> str:
        path = Path(folder) / "secret.sql" if match[2] == ".secret.sql" else HOME / match[2]
        return f'.{match[1]} "{path}"'  # quoted: the path may have blanks in it

    indicators = (HOME / "indicators/init.sql").read_text(encoding="utf-8")
    text = text.replace(".read sql/indicators/init.sql\n", indicators)
    text = text.replace("'.read sql/secret.sql'", quoted(f'.read "{HOME}/secret.sql"'))
    text = re.sub(r"^\.(read|output) sql/(\S+)$", whole, text, flags=re.MULTILINE)
    text = text.replace("SET VARIABLE sql_home = 'sql';", f"SET VARIABLE sql_home = {quoted(str(HOME))};")
    own = f"SET VARIABLE lake = {quoted(lake)};\n"
    if generation is not None:
        own += f"SET VARIABLE generation = {generation};\n"
    if lake.startswith("s3://"):
        own += "".join(f"LOAD {quoted(extension(name))};\n" for name in ("httpfs", "aws"))
    return text.replace(".mode list\n", f"{own}.mode list\n", 1)
