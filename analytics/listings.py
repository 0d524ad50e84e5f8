"""The symbols that were listed on a day, as the lake's lists of companies say."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from stockstream.analytics.arguments import day_of, lake_of
from stockstream.analytics.session import AsOf, open_lake
from stockstream.sql.session import explained, quoted


def symbols_on(day: date | str, lake: str | Path | None = None, *, as_of: AsOf | None = None) -> list[str]:
    """Return the symbols that were listed on a day, those delisted since included, sorted.

    It is the macro `symbols_on` of the lake's views, whose rows have names, sectors and periods, too. `day` is a date
    or a text YYYY-MM-DD.

    Raises:
        UsageError: there is no such lake or generation, or `day` is no day.
        LakeError: the lake cannot be read.
    """
    text, uri = quoted(str(day_of("day", day))), lake_of(lake)
    with explained(uri), open_lake(uri, as_of=as_of) as con:
        return [
            symbol for (symbol,) in con.execute(f"SELECT symbol FROM symbols_on({text}) ORDER BY symbol").fetchall()
        ]
