"""`stockstream indicators`: what there is, any of it computed, the ready-made table, and a new one."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from stockstream.analytics.cli.commands.silver import show_refreshed, working
from stockstream.analytics.cli.options import (
    AsOfOption,
    JsonOption,
    LakeOption,
    Symbols,
    day_option,
    lake_uri,
    symbols_option,
)
from stockstream.analytics.cli.output import Format, FormatOption, OutputOption, result_format, show
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.compute import relation
from stockstream.analytics.session import connect
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.refresh_indicators import refresh_indicators
from stockstream.sql.catalogue import FOLDER, catalogue
from stockstream.sql.errors import UsageError
from stockstream.sql.session import explain

app = typer.Typer(help="Technical indicators: what there is, computed, kept ready, and new ones.", no_args_is_help=True)
command("indicators", Panel.ANALYSIS, 10)(app)

PathOption = Annotated[
    list[Path] | None,
    typer.Option("--sql-path", metavar="FOLDER", help="A folder of indicators of your own. May be repeated."),
]


@app.command("list")
def list_all(sql_path: PathOption = None, as_json: JsonOption = False) -> None:
    """List the indicators with their parameters and columns.

    Example: stockstream indicators list
    """
    found = sorted(catalogue(*(sql_path or ())).indicators, key=lambda one: (one.family, one.name, one.version))
    if as_json:
        rows = [
            {
                "name": one.name,
                "version": one.version,
                "family": one.family,
                "params": one.params,
                "columns": one.returns,
            }
            for one in found
        ]
        print(json.dumps(rows))
        return
    table = Table("family", "indicator", "", "columns", box=None, pad_edge=False)
    for one in found:
        params = ", ".join(str(default) for default in one.periods.values())
        call = f"{one.name}({params})" + (f" v{one.version}" if one.version > 1 else "")
        table.add_row(one.family, call, one.file.header["title"].rstrip("."), ", ".join(one.returns))
    Console(soft_wrap=True, highlight=False).print(table, soft_wrap=False)


@app.command("show")
def show_one(
    name: Annotated[str, typer.Argument(help="rsi, rsi_v1, or one of its columns.")],
    sql_path: PathOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print an indicator's file: formula, reference, warm-up, versions and SQL.

    Example: stockstream indicators show rsi
    """
    one, _ = catalogue(*(sql_path or ())).find(name)
    if as_json:
        print(json.dumps({**one.file.header, "sql": one.file.text.split("--- */", 1)[1].strip()}, default=str))
    else:
        print(one.file.text, end="")


@app.command("compute")
def compute(
    requests: Annotated[list[str], typer.Argument(help="rsi_14, macd, bollinger_upper, 'ema(12, volume)', …")],
    lake: LakeOption = None,
    symbols: Annotated[Symbols | None, symbols_option("Only these.", default="all")] = None,
    src: Annotated[str, typer.Option(help="A view or table with symbol, date and what is needed.")] = "bars_adjusted",
    start: Annotated[date | None, day_option("--start", "First day of the result.")] = None,
    end: Annotated[date | None, day_option("--end", "Last day of the result.")] = None,
    as_of: AsOfOption = None,
    sql_path: PathOption = None,
    format: FormatOption = Format.table,
    as_json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Compute any indicators of any table, by one query.

    Example: stockstream indicators compute rsi_14 macd "sma(20, volume)" --symbols BHP,CBA --start 2026-01-01
    """
    format = result_format(format, as_json, output)
    uri = lake_uri(lake)
    with connect(uri, as_of=as_of) as con:
        try:
            result = relation(con, requests, src=src, symbols=symbols, start=start, end=end, sql_path=sql_path or ())
            show(con, result, format, output)
        except duckdb.Error as error:
            raise explain(error, uri) from None


@app.command("refresh")
def refresh(
    lake: LakeOption = None,
    full: Annotated[bool, typer.Option("--full", help="Compute all days anew, not only what is new.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the table that the view `indicators` reads up to date with the consolidated bars.

    Example: stockstream indicators refresh --lake s3://bucket/prefix
    """
    opened = Lake(lake_uri(lake))
    with working("computing indicators"):
        result = refresh_indicators({"full": full}, opened)
    if as_json:
        print(json.dumps(result))
    else:
        show_refreshed(Console(soft_wrap=True, highlight=False), result)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Lower case with underscores: my_average.")],
    folder: Annotated[Path, typer.Option("--sql-path", metavar="FOLDER", help="Where.")] = Path("indicators"),
) -> None:
    """Write the skeleton of an indicator of your own, and of its test.

    Example: stockstream indicators new my_average --sql-path indicators
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*", name) or re.search(r"_v\d+$", name):
        raise UsageError(f"{name} is no name of an indicator: write lower case with underscores, such as my_average")
    text = (FOLDER / "trend/sma_v1.sql").read_text(encoding="utf-8")
    text = (
        re.sub(r"\bsma", name, text)
        .replace("Simple moving average.", "A new indicator.")
        .replace("TA-Lib SMA", "my own")
    )
    text = re.sub(r"^difference: .*\n", "", text, flags=re.MULTILINE)
    written = {folder / f"{name}_v1.sql": text, folder / f"test_{name}.py": TEST.replace("NAME", name)}
    for path in written:
        if path.exists():
            raise UsageError(f"{path} is there already")
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in written.items():
        path.write_text(content, encoding="utf-8")
        print(path)


TEST = '''"""NAME against a plain calculation."""

from pathlib import Path

import duckdb
import pytest

from stockstream.sql.catalogue import catalogue


def test_NAME() -> None:
    closes = [10.0, 11.0, 13.0, 12.0]
    with duckdb.connect() as con:
        catalogue(Path(__file__).parent).install(con)
        con.execute("CREATE TABLE bars (symbol VARCHAR, date DATE, close DOUBLE)")
        for day, close in enumerate(closes):
            con.execute("INSERT INTO bars VALUES ('AAA', DATE '2026-01-01' + ?::INTEGER, ?)", [day, close])
        found = [value for (value,) in con.execute("SELECT NAME FROM NAME('bars', 2) ORDER BY date").fetchall()]
    assert found == [None, *(pytest.approx((one + other) / 2) for one, other in zip(closes, closes[1:]))]
'''
