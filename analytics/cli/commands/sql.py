"""`stockstream sql`: writes an indicator as SQL of another engine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from stockstream.analytics.cli.options import JsonOption
from stockstream.analytics.cli.registry import Panel, command
from stockstream.sql.errors import UsageError


@command("sql", Panel.ANALYSIS, 15)
def sql_command(
    name: Annotated[str, typer.Argument(help="An indicator, or a version of one, as rsi or rsi_v2.")],
    dialect: Annotated[str, typer.Option(metavar="spark|athena", help="The engine that shall run the text.")],
    src: Annotated[str, typer.Option(help="The engine's table or view of daily bars.")] = "bars_adjusted",
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter, as n=14. May be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write an indicator as one query of Spark or Athena, without a lake; the text for Athena has not been executed.

    Example: stockstream sql rsi --dialect spark --src bars --param n=21
    """
    from stockstream.sql.catalogue import catalogue
    from stockstream.sql.dialects import Dialect, export

    if dialect not in list(Dialect):
        raise UsageError(f"--dialect {dialect}: it is {' or '.join(Dialect)}")
    params = {}
    for text in param or ():
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"--param {text}: write NAME=VALUE, as n=14")
        params[key] = value
    exported = export(catalogue(), name, Dialect(dialect), src=src, params=params)
    if as_json:
        print(json.dumps({**vars(exported), "is_executed": False}))
        return
    if exported.dialect is Dialect.ATHENA:
        print("-- For Athena; not executed by the tests of Stock Stream.")
    print(f"{exported.sql};")
