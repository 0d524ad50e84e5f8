"""`stockstream serve`: the HTTP interface of a lake."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockstream.analytics.cli.live_source import (
    LiveOption,
    MaxStreamsOption,
    MaxStreamsPerCallerOption,
    RedisOption,
    SpeedOption,
    part_of,
    shared_of,
)
from stockstream.analytics.cli.options import JsonOption, LakeOption, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.cli.signals import SIGNALS
from stockstream.sql.errors import UsageError
from stockstream.sql.extras import require

if TYPE_CHECKING:
    from stockstream.analytics.serving.live.part import LivePart
    from stockstream.analytics.serving.shared import Shared


@command("serve", Panel.QUERY, 50)
def serve_command(
    lake: LakeOption = None,
    host: Annotated[str, typer.Option(help="Address to listen at; others than this machine's need --keys.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = 8000,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The keys: a line NAME:SHA-256:SCOPES per key.")
    ] = None,
    new_key: Annotated[
        str | None, typer.Option("--new-key", metavar="NAME", help="Print a new key and its line of the file; end.")
    ] = None,
    scopes: Annotated[str, typer.Option(help="Of the new key: read, live, paper, run, sql, metrics.")] = "read",
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A name of this server in the header Host. Repeatable."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin", metavar="URL", help="A site whose pages may read /v1 with a key (CORS). Repeatable."
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="The TLS proxy whose X-Forwarded-Proto and -For are believed."),
    ] = None,
    sql: Annotated[bool, typer.Option("--sql", help="Answer SELECTs at /v1/sql, with the scope sql.")] = False,
    rate: Annotated[float, typer.Option(min=0.01, help="Requests per second of a caller.")] = 50.0,
    burst: Annotated[int, typer.Option(min=1, help="Requests of a caller at once.")] = 200,
    at_once: Annotated[int, typer.Option("--at-once", min=1, help="Requests of a caller at the same time.")] = 100,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads that read the lake.")] = 2,
    query_seconds: Annotated[
        float,
        typer.Option("--query-seconds", min=0.01, help="Time of an answer; a query over it is interrupted (503)."),
    ] = 30.0,
    quack: Annotated[
        bool, typer.Option("--quack", help="Beta: SQL for DuckDB shells, at quack:HOST:PORT; needs --keys, scope sql.")
    ] = False,
    sql_seconds: Annotated[float, typer.Option("--sql-seconds", min=0.1, help="Time of a message of --quack.")] = 30.0,
    backtests: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Backtests to show, as written by `stockstream backtest --output FOLDER/NAME`."
        ),
    ] = None,
    strategies: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Python files with strategies that the form may run into --backtests."),
    ] = None,
    run_seconds: Annotated[int, typer.Option(min=1, max=86_400, help="Time limit of a run of the form.")] = 600,
    run_memory: Annotated[int, typer.Option(min=256, help="Memory limit of a run of the form, MB.")] = 2048,
    live: LiveOption = None,
    speed: SpeedOption = 0.0,
    max_streams: MaxStreamsOption = 1000,
    max_streams_per_caller: MaxStreamsPerCallerOption = 100,
    redis: RedisOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the lake over HTTP: bars, indicators and signals as JSON, CSV, Arrow or Parquet, at /v1.

    Example: stockstream serve --lake ./lake --port 8000

    With --quack (beta), a DuckDB shell anywhere reads the lake: ATTACH 'quack:127.0.0.1:8000' AS lake (TOKEN 'KEY');
    FROM lake.query('FROM rsi(''bars_adjusted'', 14)').
    With backtests: stockstream serve --lake ./lake --backtests ./backtests --strategies ./strategies
    """
    require_serve()
    if new_key is not None:
        _print_key(new_key, scopes, as_json)
        return
    from stockstream.analytics.serving.backtests.opening import opened as opened_backtests
    from stockstream.analytics.serving.backtests.processes import Limits
    from stockstream.analytics.serving.generations import Generations
    from stockstream.analytics.serving.keys import KeyFile
    from stockstream.analytics.serving.live.board import Limits as StreamLimits
    from stockstream.analytics.serving.server import Options
    from stockstream.analytics.serving.session_file import SessionFile
    from stockstream.sql.session.catalogue_file import cache_folder

    key_file = KeyFile(keys) if keys else None
    if quack:
        from stockstream.analytics.serving.quack import require

        require(key_file)
    if strategies is not None and backtests is None:
        raise UsageError("--strategies: the results need a folder: --backtests FOLDER")
    folder = None if backtests is None else opened_backtests(backtests, strategies, Limits(run_seconds, run_memory))
    options = Options(
        host=host,
        port=port,
        keys=key_file,
        sessions=SessionFile(keys),
        allow_hosts=tuple(allow_host or ()),
        rate=rate,
        burst=burst,
        threads=threads,
        query_seconds=query_seconds,
        allow_origins=tuple(allow_origin or ()),
        at_once=at_once,
        proxy=proxy,
        sql=sql,
        backtests=folder,
    )
    if sql and sys.platform == "win32":
        raise UsageError("--sql: not on Windows, which has no limits of a process's memory")
    opened = existing_lake(lake)
    shared = shared_of(redis, opened)
    part = part_of(live, opened, speed, StreamLimits(max_streams, max_streams_per_caller), shared)
    cache = cache_folder()
    if cache is None:
        raise UsageError("there is no folder for the serving file: set STOCKSTREAM_CACHE")
    screen = Screen(stderr=True)
    is_shown = sys.stderr.isatty()
    with screen.status("reads the newest generation") if is_shown else nullcontext() as shown:
        generations = Generations(
            opened.uri,
            cache,
            lambda table: shown.update(f"makes the serving file: {table}") if shown else None,
        )
        if part is not None:
            generations.on_served = part.board.published
        generations.start()
    try:
        received = asyncio.run(_serve(generations, options, sql_seconds if quack else None, as_json, part, shared))
    finally:
        generations.stop()
    if received is not None:
        sys.exit(SIGNALS[received][0])


async def _serve(
    generations: Any,
    options: Any,
    sql_seconds: float | None,
    as_json: bool,
    part: LivePart | None,
    shared: Shared | None,
) -> signal.Signals | None:
    """Serve until a signal; return it. `sql_seconds` is the time of a query over Quack; None: without Quack."""
    from stockstream.analytics.cli.event_loop import until_signal
    from stockstream.analytics.serving.server import build, serve

    app, sessions = build(generations, options, part, shared), None
    if sql_seconds is not None:
        from stockstream.analytics.serving.quack import Quack

        sessions = Quack(generations, options.keys, sql_seconds)
        app = sessions.beside(app)

    def ready(address: str) -> None:
        number = generations.newest.generation
        if as_json:
            print(json.dumps({"lake": generations.lake.uri, "address": address, "generation": number}), flush=True)
        else:
            out = Screen()
            out.print(f"{generations.lake.uri}, generation {number}, at {address}/v1", markup=False, highlight=False)
            symbol = min(generations.newest.symbols, default="SYMBOL")
            out.print(
                f"try: curl '{address}/v1/bars/{symbol}?limit=3'    Ctrl-C ends it", markup=False, highlight=False
            )

    async with until_signal() as (stop, received):
        try:
            await serve(app, options, stop, ready, part)
        finally:
            if sessions is not None:
                sessions.stop()
            if shared is not None:
                await shared.close()
        return received()


def require_serve() -> None:
    """Check that the packages of the extra `serve` are installed.

    Raises:
        MissingPackage: they are not.
    """
    require("msgspec", "starlette", "uvicorn", "prometheus_client", "loky", "pyarrow", extra="serve")


def _print_key(name: str, scopes: str, as_json: bool) -> None:
    from stockstream.analytics.serving.keys import new_key

    key, line = new_key(name, scopes)
    if as_json:
        print(json.dumps({"key": key, "line": line}))
        return
    out = Screen()
    out.print(f"key   {key}    (keep it: it is shown only now)", markup=False, highlight=False)
    out.print(f"line  {line}    (into the file of --keys)", markup=False, highlight=False)
