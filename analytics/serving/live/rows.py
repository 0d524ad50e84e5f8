"""`/v1/live`: the newest live bars as rows of the view `live`, in the formats of all rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import duckdb
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from stockstream.analytics.serving.formats import Format, Page, accepted
from stockstream.analytics.serving.live.board import Board
from stockstream.analytics.serving.live.listening import Stored
from stockstream.analytics.serving.parameters import Live, parsed, symbols_of
from stockstream.analytics.serving.problems import Problem
from stockstream.pipeline.live.alerting import columns_of, table_of

HEADERS = {"Cache-Control": "no-store", "Vary": "Accept"}
"""Live bars are of no generation: they have neither its number nor an ETag."""


def handler(board: Board, stored: Stored) -> Callable[[Request], Awaitable[Response]]:
    """Return the function that answers requests for live bars."""
    con = duckdb.connect()

    async def live_bars(request: Request) -> Response:
        """Return the newest live bars: of some symbols, or of all."""
        form = accepted(request.headers.get("accept", ""))
        query = parsed(Live, request.query_params.multi_items())
        fold = board.hub.fold
        if fold is None:
            raise Problem(409, f"there are no live bars yet: {board.summary()}")
        symbols = {*symbols_of(query.symbols, stored() | board.hub.symbols)}
        bars = [bar for bar in fold.bars.values() if bar.events and (not symbols or bar.symbol in symbols)]
        columns = columns_of(sorted(bars, key=lambda bar: bar.symbol))
        body = await run_in_threadpool(_body, con, form, columns, fold.session.date, board.state.source)
        return Response(body, headers=HEADERS, media_type=form.media)

    return live_bars


def _body(
    con: duckdb.DuckDBPyConnection, form: Format, columns: dict[str, list[object]], day: str, source: str
) -> bytes:
    with con.cursor() as cursor:
        cursor.register("rows", table_of(columns, day, source))
        body, _ = form.body(Page("bars", cursor.execute("FROM rows"), None))
    return body
