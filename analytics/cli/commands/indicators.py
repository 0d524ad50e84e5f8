"""`stockstream indicators`: list, show and compute indicators, refresh the stored ones, start a new one."""

from __future__ import annotations

import json
import re
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.table import Table

from stockstream.analytics.cli.commands.silver import show_refreshed, working
from stockstream.analytics.cli.options import (
    AsOfOption,
    JsonOption,
    LakeOption,
    Symbols,
    check_range,
    day_option,
    existing_lake,
    lake_uri,
    symbols_option,
)
from stockstream.analytics.cli.output import FormatOption, OutputOption, RawNamesOption, result_format, show
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.session import known_symbols, open_lake
from stockstream.sql.errors import UsageError
from stockstream.sql.session import explained, quoted

app = typer.Typer(
    help="Technical indicators: list, show, compute, refresh the stored ones, start a new one.", no_args_is_help=True
)
command("indicators", Panel.ANALYSIS, 10)(app)

# The commands import the catalogue and the compiler inside their functions: these load sqlglot, which would take a
# third of the start time of every command.

PathOption = Annotated[
    list[Path] | None,
    typer.Option("--sql-path", metavar="FOLDER", help="Folder of your own indicators. May be repeated."),
]


@app.command("list")
def list_all(sql_path: PathOption = None, as_json: JsonOption = False) -> None:
    """List the indicators with their parameters, columns and (aliases); superseded versions are left out.

    Example: stockstream indicators list
    """
    from stockstream.sql.catalogue import catalogue

    indicators = sorted(
        catalogue(*(sql_path or ())).active, key=lambda indicator: (indicator.family, indicator.name, indicator.version)
    )
    if as_json:
        rows = [
            {
                "name": indicator.name,
                "aliases": indicator.header.aliases,
                "version": indicator.version,
                "family": indicator.family,
                "params": indicator.params,
                "columns": indicator.returns,
            }
            for indicator in indicators
        ]
        print(json.dumps(rows))
        return
    table = Table("family", "indicator", "", "columns", box=None, pad_edge=False)
    for indicator in indicators:
        call = f"{indicator.name}({', '.join(map(str, indicator.periods.values()))})"
        others = f" ({', '.join(indicator.header.aliases)})" if indicator.header.aliases else ""
        title = f"{indicator.header.title.rstrip('.')}{others}"
        table.add_row(indicator.family, call, title, ", ".join(indicator.returns))
    Screen().print(table, soft_wrap=False)


@app.command("show")
def show_one(
    name: Annotated[str, typer.Argument(help="Name, name and version, or a column: rsi, rsi_v1, macd_signal.")],
    sql_path: PathOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print an indicator's file: its header, with formula, warm-up and reference, and its SQL.

    With --json it has the other engines that compute it, too: `stockstream sql` writes its text for these.

    Example: stockstream indicators show rsi
    """
    from stockstream.sql.catalogue import catalogue

    indicators = catalogue(*(sql_path or ()))
    indicator, _ = indicators.find(name)
    if as_json:
        from stockstream.sql.dialects import Dialect, refusal

        dialects = [one for one in Dialect if refusal(indicators, indicator, one) is None]
        sql = indicator.file.body.strip()
        print(json.dumps({**indicator.file.header, "dialects": dialects, "sql": sql}, default=str))
    else:
        print(indicator.file.text, end="")


@app.command("compute")
def compute(
    requests: Annotated[list[str], typer.Argument(help="rsi_14, macd, bollinger_upper, 'ema(12, volume)', …")],
    lake: LakeOption = None,
    symbols: Annotated[Symbols | None, symbols_option("Only these symbols.", default="all")] = None,
    src: Annotated[
        str, typer.Option(help="View or table with symbol, date and the columns that are read.")
    ] = "bars_adjusted",
    start: Annotated[date | None, day_option("--start", "First day of the result.")] = None,
    end: Annotated[date | None, day_option("--end", "Last day of the result.")] = None,
    as_of: AsOfOption = None,
    sql_path: PathOption = None,
    format: FormatOption = None,
    as_json: JsonOption = False,
    output: OutputOption = None,
    raw_names: RawNamesOption = False,
    explain: Annotated[bool, typer.Option("--explain", help="Print how each column is computed, and why.")] = False,
) -> None:
    """Compute any set of indicators of any table: in arrays for many symbols, with one query for a few.

    Example: stockstream indicators compute rsi_14 macd "sma(20, volume)" --symbols BHP,CBA --start 2026-01-01
    """
    from stockstream.analytics.compute import explanation, relation

    check_range(start, end)
    chosen = result_format(format, as_json, output)
    uri = lake_uri(lake)
    with explained(uri), open_lake(uri, as_of=as_of) as con:
        if explain:
            print("\n".join(explanation(con, requests, src=src, symbols=symbols, sql_path=sql_path or ())))
            return
        result = relation(con, requests, src=src, symbols=symbols, start=start, end=end, sql_path=sql_path or ())
        _require_rows(con, src, symbols, start, end)
        show(con, result, chosen, output, raw_names)


def _require_rows(
    con: duckdb.DuckDBPyConnection, src: str, symbols: Symbols | None, start: date | None, end: date | None
) -> None:
    """Check that the range of days has a bar.

    Raises:
        UsageError: it has none.
    """
    conditions = [f"date {sign} DATE '{day}'" for sign, day in ((">=", start), ("<=", end)) if day is not None]
    if symbols is not None:
        conditions.append(f"symbol IN ({', '.join(map(quoted, known_symbols(con, symbols, src)))})")
    if con.execute(f"SELECT 1 FROM {src} WHERE {' AND '.join(conditions) or 'true'} LIMIT 1").fetchone() is None:
        days = (f" from {start}" if start else "") + (f" up to {end}" if end else "")
        names = f" of {', '.join(symbols)}" if symbols else ""
        raise UsageError(f"no bars{names}{days} in {src}")


@app.command("refresh")
def refresh(
    lake: LakeOption = None,
    full: Annotated[bool, typer.Option("--full", help="Recompute all days, not only new ones.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Update the stored table of the view `indicators` from the consolidated bars.

    Example: stockstream indicators refresh --lake s3://bucket/prefix
    """
    from stockstream.pipeline.steps.refresh_indicators import run as refresh_indicators

    opened = existing_lake(lake)
    with working("computing indicators"):
        result = refresh_indicators({"full": full}, opened)
    if as_json:
        print(json.dumps(result))
    else:
        show_refreshed(Screen(), result)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Lower case with underscores: my_average.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--sql-path",
            metavar="FOLDER",
            help="Folder of your own indicators.",
            show_default="the repository when run inside it, else indicators",
        ),
    ] = None,
    family: Annotated[str, typer.Option(help="Folder below sql/indicators, in the repository.")] = "trend",
) -> None:
    """Write the skeleton of a new indicator: its SQL file and its test.

    Example: stockstream indicators new my_average --sql-path indicators
    """
    from stockstream.sql.catalogue.skeleton import is_checkout, personal_files, repository_files

    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*", name) or re.search(r"_v\d+$", name):
        raise UsageError(f"{name} cannot be an indicator: use lower case with underscores, such as my_average")
    in_repository = folder is None and is_checkout(Path.cwd())
    if in_repository:
        files = repository_files(name, family, date.today())
    else:
        files = personal_files(name, folder or Path("indicators"), date.today())
    for path in files:
        if path.exists():
            raise UsageError(f"{path} exists already")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
    if in_repository:
        print("Next: edit both, run `make sql`, then pytest tests/sql/indicators", file=sys.stderr)
