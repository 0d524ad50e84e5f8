"""The pages on which a key is entered, once, and on which a browser logs out."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from stockstream.analytics.serving.bodies import form_of
from stockstream.analytics.serving.buckets import Buckets
from stockstream.analytics.serving.keys import Keys
from stockstream.analytics.serving.pages.rendering import page
from stockstream.analytics.serving.sessions import Sessions

ATTEMPTS, PER_SECOND = 10, 0.2
"""Logins of one address that may follow each other, and how many more per second."""


def routes(keys: Keys, sessions: Sessions) -> list[Route]:
    """Return the routes of the pages."""
    attempts = Buckets(PER_SECOND, ATTEMPTS)

    async def shown(request: Request) -> Response:
        return _form(request, local(request.query_params.get("next", "")))

    async def entered(request: Request) -> Response:
        fields = dict(form_of(request))
        target = local(fields.get("next", ""))
        if waiting := attempts.wait(request.client.host if request.client else "-"):
            answer = _form(request, target, f"There were too many attempts: wait {round(waiting + 0.5)} s.")
            answer.status_code, answer.headers["Retry-After"] = 429, str(max(1, round(waiting + 0.5)))
            return answer
        key = keys.of(fields.get("key", "").strip())
        if key is None:
            answer = _form(request, target, "There is no such key.")
            answer.status_code = 403
            return answer
        response = RedirectResponse(target, 303)
        sessions.begin(request, response, key)
        return response

    async def left(request: Request) -> Response:
        response = RedirectResponse("/login", 303)
        if (session := request.state.session) is not None:
            sessions.end(request, response, session)
        return response

    return [
        Route("/login", shown, methods=["GET"]),
        Route("/login", entered, methods=["POST"]),
        Route("/logout", left, methods=["POST"]),
    ]


def to_login(request: Request) -> Response:
    """Lead a browser without a session to the login page, and from there to what it asked for."""
    query = f"?{request.url.query}" if request.url.query else ""
    target = quote(f"{request.url.path}{query}", safe="")
    return RedirectResponse(f"/login?next={target}", 303, {"Cache-Control": "no-store"})


def local(target: str) -> str:
    """Return an address of this server; another server's, or none, becomes the first page."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_local else "/"


def _form(request: Request, target: str, problem: str = "") -> Response:
    return page("login.html.jinja", request, "Log in", next=target, problem=problem)
