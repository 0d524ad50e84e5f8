"""The end of `stockstream demo`: a first query with its result, and the next commands to try."""

from __future__ import annotations

import sys
from pathlib import Path

from stockstream.analytics.cli.screen import Screen
from stockstream.sql.session import connect

QUERY = """
SELECT symbol, count(*) AS bars, min(date) AS first, max(date) AS last,
       round(arg_max(close, date), 2) AS close,
       round(100 * (arg_max(close, date) / arg_min(close, date) - 1), 1) AS total_return_pct
FROM bars_adjusted GROUP BY symbol ORDER BY total_return_pct DESC
""".strip()


def show(lake: str) -> None:
    """Print a query on the demo's lake, its result, and the next commands."""
    out = Screen()
    out.print("\nA first query", style="bold", end="")
    out.print(f", on prices adjusted for splits and dividends:\n\n{QUERY}\n")
    with connect(lake) as con:
        out.print(str(con.sql(QUERY)))
    out.print("Next", style="bold")
    command = _command()
    for arguments, purpose in {
        f"shell --lake {lake}": "the duckdb shell on it; FROM lake_help()",
        f'query --lake {lake} "FROM actions"': "one query; --format csv, json, parquet",
        "run --symbols BHP,CBA --start 2020-01-01": "fresh bars from Yahoo, into ./lake",
    }.items():
        out.print(f"  {command} {arguments:<42} {purpose}")


def _command() -> str:
    """Return how to call this command: its relative path if it is below the working directory, else its name."""
    path = Path(sys.argv[0]).absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name
