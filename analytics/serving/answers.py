"""Answers: rows of one generation in the format that a request accepts, with an ETag that names both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb
from starlette.requests import Request
from starlette.responses import Response

from stockstream.analytics.serving.formats import Format, Page, accepted
from stockstream.analytics.serving.generations import Generations, Served
from stockstream.analytics.serving.paging import Place, place_of
from stockstream.analytics.serving.parameters import Query, parsed
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.time_limit import TimeLimit

FOREVER = "public, max-age=31536000, immutable"
REVALIDATED = "public, max-age=0, must-revalidate"


Work = Callable[[Served, Any, Mapping[str, str], Place | None], Page]
"""Computes the rows of an endpoint, in a thread of the pool: of a generation, the parameters, and those of the path."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of the HTTP interface with rows as its answer."""

    path: str
    """Behind /v1."""
    query: type[Query]
    work: Work
    """Its docstring is the summary in the documentation."""
    name: str
    """What the rows are called in JSON."""
    rows: tuple[type, ...]
    """The types of the rows; dict: the columns depend on the request."""


class Answers:
    """Computes the answers of endpoints in a pool of threads."""

    def __init__(self, generations: Generations, threads: int, limit: TimeLimit) -> None:
        self.generations, self._limit = generations, limit
        self._pool = ThreadPoolExecutor(threads, "answers")

    def handler(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """Return the function that answers the requests of an endpoint."""

        async def answer(request: Request) -> Response:
            form = accepted(request.headers.get("accept", ""))
            query = parsed(endpoint.query, request.query_params.multi_items())
            place = place_of(token) if (token := getattr(query, "page_token", None)) else None
            number = request.path_params.get("generation")
            if place is not None:
                number = _same(number, place.generation)
            served = self.generations.of(number)
            headers = {
                "ETag": f'"{served.generation}-{served.content}-{form.name}"',
                "Cache-Control": FOREVER if "generation" in request.path_params else REVALIDATED,
                "Vary": "Accept",
                "X-Generation": str(served.generation),
            }
            if headers["ETag"] in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            work = partial(self._body, endpoint, served, query, request.path_params, place, form)
            body, more = await self._limit.run(served, work, self._pool)
            return Response(body, headers=headers | more, media_type=form.media)

        return answer

    def _body(
        self,
        endpoint: Endpoint,
        served: Served,
        query: Query,
        path: Mapping[str, str],
        place: Place | None,
        form: Format,
    ) -> tuple[bytes, dict[str, str]]:
        try:
            body, token = form.body(endpoint.work(served, query, path, place))
            return body, {"X-Next-Page-Token": token} if token else {}
        except duckdb.OutOfMemoryException:
            raise Problem(413, "the answer needs too much memory: ask for fewer symbols, days or columns") from None

    def stop(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)


def _same(named: int | None, of_token: int) -> int:
    """Return the generation of a page token, which the path may name, too.

    Raises:
        Problem: the path names another one (422).
    """
    if named is not None and named != of_token:
        raise Problem(422, f"page_token is of generation {of_token}, and the address of generation {named}")
    return of_token
