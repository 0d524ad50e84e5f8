"""The application: the routes of `/v1` and `/v1/@N`, and how errors are answered."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stockstream.analytics.serving import documentation, documents, pages, paper
from stockstream.analytics.serving.answers import REVALIDATED, Answers
from stockstream.analytics.serving.backtests import answers as backtest_answers
from stockstream.analytics.serving.backtests.opening import Backtests
from stockstream.analytics.serving.endpoints import ENDPOINTS
from stockstream.analytics.serving.generations import Generations
from stockstream.analytics.serving.live import openapi as live_openapi
from stockstream.analytics.serving.live.part import LivePart
from stockstream.analytics.serving.openapi import SQL, description
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.time_limit import TimeLimit
from stockstream.sql.errors import StockStreamError, did_you_mean

logger = logging.getLogger(__name__)

PREFIX = "/v1"


def starlette_application(
    generations: Generations,
    limit: TimeLimit,
    threads: int = 2,
    backtests: Backtests | None = None,
    live: LivePart | None = None,
    more: Iterable[BaseRoute] = (),
) -> Starlette:
    """Return the application on the generations of a lake, which have been started; `more` are further routes."""
    answers = Answers(generations, threads, limit)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if backtests is not None:
            backtests.jobs.start()
        yield
        answers.stop()
        for end in app.state.ends:
            await end()
        if backtests is not None:
            await run_in_threadpool(backtests.jobs.stop)

    routes: list[BaseRoute] = [
        Route(
            f"{prefix}{endpoint.path.replace('{symbol}', '{symbol:path}')}", answers.handler(endpoint), methods=["GET"]
        )
        for prefix in (PREFIX, f"{PREFIX}/@{{generation:int}}")
        for endpoint in ENDPOINTS
    ]
    routes += [
        Route(
            path, documents.handler(generations, document, limit if path.startswith(PREFIX) else None), methods=["GET"]
        )
        for path, (document, _) in documents.DOCUMENTS.items()
    ]
    routes += [Route(path, answer, methods=["GET"]) for path, answer in paper.handlers(generations).items()]
    routes.append(Route(f"{PREFIX}/openapi.json", _openapi, methods=["GET"]))
    routes.append(Route(f"{PREFIX}/docs", documentation.handler(generations, _description), methods=["GET"]))
    stored = None if backtests is None else backtests.stored
    routes += [
        Route(f"{PREFIX}{endpoint.path}", backtest_answers.handler(stored, endpoint), methods=["GET"])
        for endpoint in backtest_answers.ENDPOINTS
    ]
    routes += more
    routes += pages.routes(generations, limit, backtests, live)
    handlers = {Problem: _problem, HTTPException: _http, StockStreamError: _lake, Exception: _unexpected}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    app.state.ends = []  # what the parts that are added to the application do at the end
    return app


def _description(request: Request) -> dict[str, Any]:
    paths = {getattr(route, "path", "") for route in request.app.routes}
    return description(version("stock-stream"), has_sql=SQL in paths)


async def _openapi(request: Request) -> Response:
    return JSONResponse(_description(request), headers={"Cache-Control": REVALIDATED})


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code != 404:
        return Problem(error.status_code, error.detail, dict(error.headers or {})).response()
    endpoints = [f"{PREFIX}{endpoint.path}" for endpoint in (*ENDPOINTS, *backtest_answers.ENDPOINTS)]
    paths = [*endpoints, *documents.DOCUMENTS, *paper.DOCUMENTS, *live_openapi.PATHS]
    hint = did_you_mean(request.url.path, paths) or f"; there are {', '.join(paths)}"
    problem = Problem(404, f"there is nothing at {request.url.path}{hint}")
    is_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(PREFIX)
    return pages.problem_page(request, problem) if is_page else problem.response()


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


def _lake(request: Request, error: Exception) -> Response:
    logger.error("%s: %s", request.url.path, error)
    return Problem(503, "the lake cannot be read at the moment", {"Retry-After": "5"}).response()


def _unexpected(request: Request, error: Exception) -> Response:
    logger.exception("%s failed", request.url.path, exc_info=error)
    return Problem(500, "an error that the log of the server describes").response()
