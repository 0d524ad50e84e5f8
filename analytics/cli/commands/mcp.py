"""`stockstream mcp`: tools for agents and editors."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockstream.analytics.cli.options import LakeOption, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.signals import SIGNALS
from stockstream.sql.errors import UsageError
from stockstream.sql.extras import require

if TYPE_CHECKING:
    import signal

    from stockstream.analytics.serving.generations import Generations


@command("mcp", Panel.QUERY, 60)
def mcp_command(
    lake: LakeOption = None,
    config: Annotated[
        bool, typer.Option("--config", help="Print the entry for the configuration of a client, as JSON; end.")
    ] = False,
) -> None:
    """Serve the lake to agents and editors: tools of the Model Context Protocol, on standard input and output.

    Example: stockstream mcp --lake ./lake --config

    A client starts the command itself. --config prints what Claude Desktop (claude_desktop_config.json), Cursor
    (.cursor/mcp.json) and others read: {"mcpServers": {"stockstream": {"command": "stockstream", "args": ["mcp",
    "--lake", "/data/lake"]}}}. The tools (lake_help, query, bars, indicators, checks, backtest) change nothing.
    """
    opened = existing_lake(lake)
    if config:
        arguments = ["mcp", "--lake", opened.uri if "://" in opened.uri else str(Path(opened.uri).absolute())]
        entry = {"command": str(Path(sys.argv[0]).absolute()), "args": arguments}
        print(json.dumps({"mcpServers": {"stockstream": entry}}, indent=2))
        return
    require("mcp", "msgspec", "loky", "pyarrow", extra="mcp")
    import logging

    from stockstream.analytics.serving.generations import Generations
    from stockstream.sql.session.catalogue_file import cache_folder

    if sys.platform == "win32":
        raise UsageError("not on Windows, which has no limits of a process's memory: use WSL")
    cache = cache_folder()
    if cache is None:
        raise UsageError("there is no folder for the serving file: set STOCKSTREAM_CACHE")
    logging.getLogger("mcp").setLevel(logging.ERROR)  # it logs every request
    generations = Generations(opened.uri, cache)
    generations.start()
    try:
        received = asyncio.run(_serve(generations))
    finally:
        generations.stop()
    if received is not None:
        sys.exit(SIGNALS[received][0])


async def _serve(generations: Generations) -> signal.Signals | None:
    """Serve until the client ends or a signal arrives; return the signal."""
    from stockstream.analytics.agents.server import serve, streams
    from stockstream.analytics.agents.tools import Tools
    from stockstream.analytics.cli.event_loop import until_signal

    try:
        requests, answers = streams()
    except OSError:
        raise UsageError("standard input or output is closed: a client starts this command") from None
    async with until_signal() as (stop, received):
        serving = asyncio.create_task(serve(Tools(generations), requests, answers))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not serving.done():
            serving.cancel()
            await asyncio.wait({serving})
        else:
            serving.result()
        return received()
