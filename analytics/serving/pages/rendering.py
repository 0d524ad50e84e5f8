"""Templates and assets: how a page becomes HTML, and how a browser may keep its scripts for ever.

An asset's address has a checksum of its content, so that a new version of the program has new addresses. The look is
that of the backtest reports (`backtest/report/assets/report.css`), and so are the formats of numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from stockstream.analytics.page_formats import FORMATS, figure_text, number
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.scopes import needed
from stockstream.pipeline.display import shown

FOLDER = Path(__file__).parent
# By its path: on Lambda there are no libraries for backtests.
REPORT_ASSETS = FOLDER.parents[1] / "backtest/report/assets"
ASSETS = {
    path.name: path
    for path in (
        *(FOLDER / "assets").iterdir(),
        *(REPORT_ASSETS / name for name in ("report.css", "uPlot.min.css", "uPlot.iife.min.js")),
    )
}
"""The files that a browser may request, by name."""
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".LICENSE": "text/plain"}
PAGES = {
    "/": "Market",
    "/screener": "Screener",
    "/compare": "Compare",
    "/signals": "Signals",
    "/alerts": "Alerts",
    "/backtests": "Backtests",
    "/paper": "Paper accounts",
    "/data": "Data",
}
"""The pages of the navigation; each visitor sees those that the key may open."""


def page(template: str, request: Request, title: str, **variables: Any) -> Response:
    """Return a template as a page; `title` is that of the window.

    A template has `token`, which each of its forms sends that changes something (`serving/forgery.py`):
    `<form method="post"><input type="hidden" name="token" value="{{ token }}">`.
    """
    key = request.state.key
    facts = {
        "title": title,
        "live": False,
        "path": request.url.path,
        "pages": {
            address: name for address, name in PAGES.items() if key is not None and needed(address) in key.scopes
        },
        "token": request.state.token(),
        "session": request.state.session,
    }
    html = _environment().get_template(template).render({**facts, **variables})
    return Response(html, media_type="text/html", headers={"Cache-Control": "private, no-cache"})


async def asset(request: Request) -> Response:
    """Answer a request for an asset, whose address has its checksum."""
    path = ASSETS.get(request.path_params["name"])
    if path is None or request.path_params["checksum"] != _checksum(path.name):
        raise Problem(404, "there is no such file: load the page again")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(_content(path.name), headers=headers, media_type=TYPES[path.suffix])


def signed(value: float | None, digits: int = 2) -> str:
    """Format a number of percent with its sign: +1.25%; None is a dash."""
    if value is None:
        return "–"
    text = number(value, digits)
    return f"{'+' if value > 0 and text.strip('0.,') else ''}{text}%"


def compact(value: float | None) -> str:
    """Format a large number with three digits: 1.23 M; None is a dash."""
    if value is None:
        return "–"
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return number(value)


def price(value: float | None) -> str:
    """Format a price; None is a dash."""
    return "–" if value is None else FORMATS["price"](value)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: shown(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        **FORMATS,
        "signed": signed,
        "compact": compact,
        "price": price,
        "tone": _tone,
        "figure": figure_text,
    }
    environment.globals["asset"] = lambda name: f"/assets/{_checksum(name)}/{name}"
    return environment


def _tone(value: float | None) -> str:
    """Return the class of a number: gain, loss, or none."""
    return "" if not value else "gain" if value > 0 else "loss"


@cache
def _content(name: str) -> bytes:
    return ASSETS[name].read_bytes()


@cache
def _checksum(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:12]


def rows_of(cursor: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a result by the names of their columns."""
    names = [name for name, *_ in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
