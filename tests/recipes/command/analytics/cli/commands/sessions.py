"""`stockstream sessions`: prints the number of sessions per symbol."""

from __future__ import annotations

import json

from stockstream.analytics.cli.options import JsonOption, LakeOption, lake_uri
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.session import connect


@command("sessions", Panel.QUERY, 90)
def sessions_command(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Print how many sessions each symbol has.

    Example: stockstream sessions --lake demo-lake --json
    """
    with connect(lake_uri(lake)) as con:
        rows = con.sql("SELECT symbol, count(*) FROM bars GROUP BY symbol ORDER BY symbol").fetchall()
    print(json.dumps(dict(rows)) if as_json else "\n".join(f"{symbol} {count}" for symbol, count in rows))
