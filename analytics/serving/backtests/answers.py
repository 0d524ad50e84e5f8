"""The backtests of a folder as rows, in all formats: `/v1/backtests` and `/v1/backtests/{id}`.

They belong to no generation of the lake: each row of the list names the generation of its run, and the ETag is a
checksum of the body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from stockstream.analytics.backtest.stats import FIGURES
from stockstream.analytics.serving import models, parameters
from stockstream.analytics.serving.answers import REVALIDATED
from stockstream.analytics.serving.backtests.stored import MISSING, StoredRun, StoredRuns
from stockstream.analytics.serving.formats import Page, accepted
from stockstream.analytics.serving.problems import Problem

MAX_ROWS = 1_000_000
Work = Callable[[StoredRuns, Any, Mapping[str, str]], Page]
"""Computes the rows of an answer: of the folder, the parameters, and those of the path."""


def backtests(stored: StoredRuns, query: parameters.Query, path: Mapping[str, str]) -> Page:
    """Return the backtests of the folder with their figures, those saved last first."""
    runs, damaged = stored.listed()
    rows = [_row(run) for run in runs]
    columns = {name: [row[name] for row in rows] for name in _SCHEMA.names}
    table = pa.table(columns, schema=_SCHEMA)
    return Page("backtests", _cursor(table), extra={"damaged": [vars(one) for one in damaged]})


def backtest(stored: StoredRuns, query: parameters.Backtest, path: Mapping[str, str]) -> Page:
    """Return the figures of a backtest, or its trades, transactions or equity."""
    run = stored.run(path["id"])
    table = _figures(run) if query.table == "figures" else run.table(query.table)
    if table.num_rows > MAX_ROWS:
        raise Problem(413, f"{query.table} has {table.num_rows:,} rows: copy {query.table}.parquet of the folder")
    return Page(query.table, _cursor(table), generation=run.generation, extra={"backtest": run.id})


@dataclass(frozen=True)
class FolderEndpoint:
    """An endpoint with the rows of a folder's backtests."""

    path: str
    """Behind /v1."""
    query: type[parameters.Query]
    work: Work
    """Its docstring is the summary in the documentation."""
    name: str | None
    """What the rows are called in JSON; None: as the table that is requested."""
    rows: tuple[type, ...]


ENDPOINTS = (
    FolderEndpoint("/backtests", parameters.Query, backtests, "backtests", (models.Backtest,)),
    FolderEndpoint("/backtests/{id}", parameters.Backtest, backtest, None, (dict,)),
)


def handler(stored: StoredRuns | None, endpoint: FolderEndpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return the function that answers the requests of an endpoint."""

    async def answer(request: Request) -> Response:
        form = accepted(request.headers.get("accept", ""))
        query = parameters.parsed(endpoint.query, request.query_params.multi_items())
        if stored is None:
            raise Problem(404, MISSING)

        def computed() -> tuple[bytes, dict[str, str]]:
            page = endpoint.work(stored, query, request.path_params)
            damaged = len(page.extra.get("damaged", ()))
            return form.body(page)[0], {"X-Damaged": str(damaged)} if damaged else {}

        body, more = await run_in_threadpool(computed)
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}-{form.name}"'
        headers = {"ETag": tag, "Cache-Control": REVALIDATED, "Vary": "Accept"} | more
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=form.media)

    return answer


_TYPES = {"saved_at": pa.timestamp("s"), "start": pa.date32(), "end": pa.date32()}
_TYPES |= {"sessions": pa.int64(), "generation": pa.int64()} | dict.fromkeys(FIGURES, pa.float64())
_SCHEMA = pa.schema([(name, _TYPES.get(name, pa.string())) for name in models.Backtest.__struct_fields__])


def _row(run: StoredRun) -> dict[str, Any]:
    symbols = run.setup.get("symbols")
    return {
        "id": run.id,
        "saved_at": run.saved_at.replace(tzinfo=None),
        "strategy": run.strategy,
        "params": msgspec.json.encode(run.setup.get("params") or {}).decode(),
        "symbols": ",".join(map(str, symbols)) if isinstance(symbols, list) else None,
        "start": run.first,
        "end": run.last,
        "sessions": run.sessions,
        "generation": run.generation,
        "error": run.error,
    } | {name: run.metrics.get(name) for name in FIGURES}


def _figures(run: StoredRun) -> pa.Table:
    rows = [
        {"figure": name, "label": one.label, "group": one.group, "kind": one.kind, "value": run.metrics.get(name)}
        for name, one in FIGURES.items()
    ]
    kinds = [(name, pa.string()) for name in ("figure", "label", "group", "kind")]
    return pa.Table.from_pylist(rows, pa.schema([*kinds, ("value", pa.float64())]))


def _cursor(table: pa.Table) -> duckdb.DuckDBPyConnection:
    """Return a cursor with the rows of a table."""
    return duckdb.connect(config={"threads": 1}).register("answer", table).execute("FROM answer")
