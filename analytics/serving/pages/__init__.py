"""The pages of the dashboard: HTML that the server renders, so that everything but charts works without JavaScript."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from stockstream.analytics.serving.backtests.opening import Backtests
from stockstream.analytics.serving.generations import Generations, Served
from stockstream.analytics.serving.live.part import LivePart
from stockstream.analytics.serving.pages import accounts, alerts, compare, data, market, screener, signals, symbol
from stockstream.analytics.serving.pages import backtests as backtest_pages
from stockstream.analytics.serving.pages.rendering import asset, page
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.time_limit import TimeLimit

Content = Callable[[Served, Request], dict[str, Any]]
"""Returns the variables of a page's template."""
Handler = Callable[[Request], Awaitable[Response]]


def routes(
    generations: Generations, limit: TimeLimit, backtests: Backtests | None = None, live: LivePart | None = None
) -> list[Route]:
    """Return the routes of all pages and assets; `backtests` None: the server has no folder of them."""

    def shown(template: str, title: str, content: Content, is_live: bool = False) -> Handler:
        async def answer(request: Request) -> Response:
            try:
                served = generations.newest
                variables = await limit.run(served, partial(content, served, request))
            except Problem as problem:
                return problem_page(request, problem)
            variables["live"] = is_live and live is not None
            return page(template, request, title.format(**request.path_params), **variables)

        return answer

    return [
        Route("/", shown("market.html.jinja", "Market", market.content, True)),
        Route("/symbol/{symbol:path}", shown("symbol.html.jinja", "{symbol}", symbol.content, True)),
        Route("/symbol", _search),
        Route("/screener", _screener(shown("screener.html.jinja", "Screener", screener.content))),
        Route("/compare", shown("compare.html.jinja", "Compare", compare.content)),
        Route("/signals", shown("signals.html.jinja", "Signals", signals.content)),
        Route("/paper", shown("accounts.html.jinja", "Paper accounts", accounts.list_of(generations))),
        Route("/paper/{name}", shown("account.html.jinja", "{name}", accounts.account_of(generations))),
        Route("/alerts", shown("alerts.html.jinja", "Alerts", alerts.content_of(generations), True)),
        Route("/data", shown("data.html.jinja", "Data", data.content_of(generations))),
        *backtest_pages.routes(generations, backtests, problem_page),
        Route("/assets/{checksum}/{name}", asset),
    ]


def problem_page(request: Request, problem: Problem) -> Response:
    """Return a problem as a page."""
    answer = page("problem.html.jinja", request, "Not possible", problem=problem)
    answer.status_code = problem.status
    answer.headers.update(problem.headers)
    return answer


async def _search(request: Request) -> Response:
    """Lead from the field for a symbol to its page."""
    name = request.query_params.get("name", "").strip()
    return RedirectResponse(f"/symbol/{quote(name, safe='')}" if name else "/", 303)


def _screener(shown: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        return screener.added(request) or await shown(request)

    return answer
