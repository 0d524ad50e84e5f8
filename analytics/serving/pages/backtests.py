"""Backtests: those of the folder, one of them with its report, several beside each other, and the form of a run."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from stockstream.analytics.backtest.stats import GROUPS
from stockstream.analytics.serving.backtests.form import check, form_of
from stockstream.analytics.serving.backtests.opening import Backtests
from stockstream.analytics.serving.backtests.queue import Job
from stockstream.analytics.serving.backtests.stored import MISSING
from stockstream.analytics.serving.bodies import form_of as fields_of
from stockstream.analytics.serving.generations import Generations
from stockstream.analytics.serving.pages.rendering import page
from stockstream.analytics.serving.problems import Problem

SHOWN = 200
"""Backtests of the list; /v1/backtests has all."""
MAX_COMPARED = 12
TILES = ("final_equity", "total_return", "annual_return", "volatility", "sharpe", "max_drawdown", "win_rate", "trades")
LISTED = ("total_return", "annual_return", "sharpe", "max_drawdown", "trades")
"""The figures of the list."""
_SCRIPT = re.compile(rb"<script(?:\s[^>]*)?>(.*?)</script", re.DOTALL | re.IGNORECASE)
_FIGURES = {name: figure for figures in GROUPS.values() for name, figure in figures.items()}

Answer = Callable[[Backtests, Request], Response]


def routes(generations: Generations, backtests: Backtests | None, wrong: Callable[..., Response]) -> list[Route]:
    """Return the routes of the pages; `wrong` returns the page of a problem."""

    def shown(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def handled(request: Request) -> Response:
            try:
                if backtests is None:
                    return page("backtests.html.jinja", request, "Backtests", missing=MISSING)
                return await run_in_threadpool(answer, backtests, request)
            except Problem as problem:
                return wrong(request, problem)

        return handled

    def form(backtests: Backtests, request: Request) -> Response:
        return _form(backtests, request, generations)

    def started(backtests: Backtests, request: Request) -> Response:
        return _started(backtests, request, generations)

    return [
        Route("/backtests", shown(_list), methods=["GET"]),
        Route("/backtests/{id}", shown(_one), methods=["GET"]),
        Route("/backtests/{id}/report", shown(_report), methods=["GET"]),
        Route("/runs", shown(form), methods=["GET"]),
        Route("/runs", shown(started), methods=["POST"]),
        Route("/runs/{job}", shown(_job), methods=["GET"]),
        Route("/runs/{job}/state", shown(_state), methods=["GET"]),
        Route("/runs/{job}/cancel", shown(_cancel), methods=["POST"]),
    ]


def _list(backtests: Backtests, request: Request) -> Response:
    """List the backtests of the folder, and compare those that the address names."""
    runs, damaged = backtests.stored.listed()
    names = list(dict.fromkeys(request.query_params.getlist("id")))
    if len(names) > MAX_COMPARED:
        raise Problem(422, f"{len(names)} backtests are chosen: at most {MAX_COMPARED} can be compared")
    may_run = "run" in request.state.key.scopes
    return page(
        "backtests.html.jinja",
        request,
        "Backtests",
        missing=None,
        runs=runs[:SHOWN],
        total=len(runs),
        damaged=damaged,
        compared=[backtests.stored.run(name) for name in names],
        groups=GROUPS,
        listed={name: _FIGURES[name] for name in LISTED},
        may_run=may_run,
        jobs=[job for job in backtests.jobs.of(_owner(request)) if not job.is_over] if may_run else [],
    )


def _one(backtests: Backtests, request: Request) -> Response:
    run = backtests.stored.run(request.path_params["id"])
    answer = page(
        "backtest.html.jinja",
        request,
        run.id,
        run=run,
        tiles={name: _FIGURES[name] for name in TILES},
        quoted=quote(run.id, safe=""),
    )
    # The frame shows this report and no other page; a policy cannot name an IPv6 address.
    host = request.headers["host"]
    source = "'self'" if host.startswith("[") else f"{host}/backtests/{quote(run.id, safe='')}/report"
    from stockstream.analytics.serving.door import HEADERS  # which imports the pages

    answer.headers["Content-Security-Policy"] = f"{HEADERS['Content-Security-Policy']}; frame-src {source}"
    return answer


def _report(backtests: Backtests, request: Request) -> Response:
    """Answer with a report, whose scripts run without an origin and reach nothing."""
    html = backtests.stored.run(request.path_params["id"]).report()
    scripts = sorted({_hash(script) for script in _SCRIPT.findall(html.replace(b"\r\n", b"\n"))})
    policy = (
        "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
        f"base-uri 'none'; frame-ancestors 'self'; script-src {' '.join(scripts) or repr('none')}"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "private, no-cache"}
    return Response(html, headers=headers, media_type="text/html")


def _form(backtests: Backtests, request: Request, generations: Generations) -> Response:
    name = request.query_params.get("strategy", "")
    choices = backtests.strategies.choices(name) if name else []
    filled = form_of(choices[0], request.query_params.multi_items()) if len(choices) == 1 else None
    return _form_page(backtests, request, generations, filled, choices)


def _form_page(
    backtests: Backtests, request: Request, generations: Generations, filled: Any, choices: Sequence[Any]
) -> Response:
    return page(
        "run.html.jinja",
        request,
        "Run a backtest",
        form=filled,
        choices=choices,
        shipped=backtests.strategies.shipped,
        files=backtests.strategies.files,
        limits=backtests.jobs.limits,
        generation=generations.newest.generation,
    )


def _started(backtests: Backtests, request: Request, generations: Generations) -> Response:
    """Check a form; add its run to the queue, or show the form with its errors."""
    items = fields_of(request)
    choice = backtests.strategies.choice(dict(items).get("strategy", ""))
    filled = form_of(choice, items)
    served = generations.newest
    check(filled, served)
    if filled.error or filled.wrong:
        answer = _form_page(backtests, request, generations, filled, [choice])
        answer.status_code = 422
        return answer
    order = filled.order(generations.lake.uri, served.generation)
    job = backtests.jobs.submit(_owner(request), order, choice.class_name, filled.address)
    return RedirectResponse(f"/runs/{job.id}", 303)


def _job(backtests: Backtests, request: Request) -> Response:
    job = _of(backtests, request)
    if job.state == "done" and job.error is None and not job.printed and job.saved_as:
        return RedirectResponse(f"/backtests/{quote(job.saved_as, safe='')}", 303)
    return page(
        "running.html.jinja",
        request,
        f"Run of {job.title}",
        job=job,
        before=backtests.jobs.place(job),
        generation=int(job.order["generation"]),
        saved=quote(job.saved_as, safe="") if job.saved_as else None,
    )


def _state(backtests: Backtests, request: Request) -> Response:
    job = _of(backtests, request)
    state = {"state": job.state, "done": job.done, "total": job.total, "before": backtests.jobs.place(job)}
    return JSONResponse(state, headers={"Cache-Control": "no-store"})


def _cancel(backtests: Backtests, request: Request) -> Response:
    job = backtests.jobs.cancel(_owner(request), request.path_params["job"])
    return RedirectResponse(f"/runs/{job.id}", 303)


def _of(backtests: Backtests, request: Request) -> Job:
    return backtests.jobs.job(_owner(request), request.path_params["job"])


def _owner(request: Request) -> str:
    name: str = request.state.key.name
    return name


def _hash(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
