"""The answer of every tool: rows of one generation, as structured content and as a text that a model can read."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

import msgspec
from mcp.types import CallToolResult, TextContent
from msgspec import Meta

from stockstream.analytics.serving.formats import JSON, Page
from stockstream.analytics.serving.problems import Problem

MAX_BYTES = 1_000_000
"""Size of the structured content: a client puts it into the context of a model."""


class Answer(msgspec.Struct, kw_only=True):
    """Rows of one generation of the lake."""

    generation: Annotated[int, Meta(description="The published state of the lake that the rows are of.")]
    rows: list[dict[str, Any]]
    is_truncated: Annotated[bool, Meta(description="Whether there are more rows.")] = False
    next_page_token: Annotated[str, Meta(description="The argument page_token of the next rows.")] | None = None
    notes: Annotated[list[str], Meta(description="What a reader of the rows should know.")] = []


def of_page(page: Page) -> Answer:
    """Return the answer with the rows of a page of the HTTP interface."""
    body, token = JSON.body(Page("rows", page.cursor, page.generation, page.limit))
    answer = msgspec.json.decode(body, type=Answer)
    answer.is_truncated = token is not None
    return answer


def cut(answer: Answer, limit: int) -> Answer:
    """Return the answer with at most `limit` rows."""
    answer.is_truncated = len(answer.rows) > limit
    answer.rows = answer.rows[:limit]
    return answer


def result(answer: Answer) -> CallToolResult:
    """Return an answer as the protocol has it.

    Raises:
        Problem: it is too large (413).
    """
    size = len(body := msgspec.json.encode(answer))
    if size > MAX_BYTES:
        raise Problem(
            413, f"the answer has {size:,} bytes, more than {MAX_BYTES:,}: ask for fewer rows or columns (limit)"
        )
    content = [TextContent(type="text", text=_text(answer))]
    return CallToolResult(content=content, structuredContent=msgspec.json.decode(body))


def failure(reason: str) -> CallToolResult:
    """Return an error that a model can act on."""
    return CallToolResult(content=[TextContent(type="text", text=reason)], isError=True)


def _text(answer: Answer) -> str:
    """Return the rows as CSV, after a line about them."""
    count = f"{len(answer.rows):,} row{'' if len(answer.rows) == 1 else 's'}"
    more = ", and there are more" if answer.is_truncated else ""
    after = f" (page_token: {answer.next_page_token})" if answer.next_page_token else ""
    lines = io.StringIO()
    lines.write(f"generation {answer.generation}, {count}{more}{after}\n")
    for note in answer.notes:
        lines.write(f"{note}\n")
    if answer.rows:
        table = csv.DictWriter(lines, list(answer.rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(answer.rows)
    return lines.getvalue()
