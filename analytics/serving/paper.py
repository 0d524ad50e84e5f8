"""The paper accounts of the lake, as JSON documents, which are no part of a generation: their ETag is of their text."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from stockstream.analytics.paper.ledger import ledger_of
from stockstream.analytics.paper.overview import NOTICE, AccountDetail, AccountSummary, detail, summaries
from stockstream.analytics.serving.documents import document
from stockstream.analytics.serving.generations import Generations
from stockstream.analytics.serving.problems import Problem
from stockstream.pipeline.errors import LakeError, UsageError
from stockstream.pipeline.lake import Lake

_FOLDERS = re.compile(r"(?:s3:/)?/(?:[^\s/]+/)+")
"""Folders in a message about a file: they are none of the reader's business."""


@dataclass(frozen=True)
class PaperAccounts:
    """The paper accounts of the lake."""

    accounts: list[AccountSummary]
    notice: str = NOTICE


def accounts(lake: Lake) -> PaperAccounts:
    """Return the paper accounts of the lake."""
    return PaperAccounts([_shown(one) for one in summaries(lake)])


def account(lake: Lake, name: str) -> AccountDetail:
    """Return a paper account with its positions, fills, orders for the next session, and equity per session.

    Raises:
        Problem: there is no such account (404), or it cannot be read (503).
    """
    try:
        shown = detail(lake, ledger_of(lake, name))
    except UsageError as error:
        raise Problem(404, _without_folders(str(error))) from None
    except LakeError as error:
        raise Problem(503, _without_folders(str(error))) from None
    settings = {key: _without_folders(one) if isinstance(one, str) else one for key, one in shown.settings.items()}
    comparison = shown.comparison
    if comparison and comparison.error:
        comparison = replace(comparison, error=_without_folders(comparison.error))
    return replace(shown, summary=_shown(shown.summary), settings=settings, comparison=comparison)


def handlers(generations: Generations) -> dict[str, Callable[[Request], Awaitable[Response]]]:
    """Return the functions that answer, by path."""

    async def all_of_them(request: Request) -> Response:
        return document(request, await run_in_threadpool(accounts, generations.lake))

    async def one_of_them(request: Request) -> Response:
        return document(request, await run_in_threadpool(account, generations.lake, request.path_params["name"]))

    return {"/v1/paper": all_of_them, "/v1/paper/{name}": one_of_them}


DOCUMENTS: dict[str, tuple[Callable[..., Any], type]] = {
    "/v1/paper": (accounts, PaperAccounts),
    "/v1/paper/{name}": (account, AccountDetail),
}
"""The documents by path, with their types, for the description of the interface."""


def _shown(one: AccountSummary) -> AccountSummary:
    return replace(one, error=_without_folders(one.error)) if one.error else one


def _without_folders(text: str) -> str:
    return _FOLDERS.sub("", text)
