"""Compression: pages, assets, JSON and CSV as gzip, for a request that accepts it; not Arrow and Parquet.

A compressed answer has another ETag than the plain one (`"…+gzip"`), because a strong ETag names bytes (RFC 9110,
section 8.8.3); the suffix is taken off before an endpoint compares. Streams pass as they are. Assets are compressed
once, and as well as gzip can.
"""

from __future__ import annotations

import gzip
from functools import lru_cache

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TYPES = ("text/html", "text/css", "text/javascript", "text/csv", "text/plain", "image/svg+xml", "application/json")
MIN_BYTES = 1_000
"""Smaller bodies are sent as they are."""
MAX_INLINE = 50_000
"""Larger bodies are compressed in a thread, so that other requests need not wait."""
LEVEL = 5
"""Of answers; a level more costs a fifth of the time and gains a hundredth of the size."""
SUFFIX = "+gzip"


class Compressed:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and compress the answer if the request accepts that and the answer gains by it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        tags = headers.get("if-none-match", "")
        if SUFFIX in tags:
            plain = tags.replace(f'{SUFFIX}"', '"').encode("latin-1")
            pairs = [(name, plain if name == b"if-none-match" else value) for name, value in scope["headers"]]
            scope = {**scope, "headers": pairs}
        is_accepted = accepts_gzip(headers.get("accept-encoding", ""))
        start: Message | None = None

        async def compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            first, start = start, None
            answer = MutableHeaders(raw=first["headers"])
            if first["status"] == 304:
                if (tag := _suffixed(answer.get("etag", ""))) in tags and SUFFIX in tag:
                    answer["etag"] = tag
                answer.add_vary_header("Accept-Encoding")
            elif answer.get("content-type", "").split(";")[0] in TYPES and "content-encoding" not in answer:
                answer.add_vary_header("Accept-Encoding")
                body = message.get("body", b"")
                if is_accepted and not message.get("more_body", False) and len(body) >= MIN_BYTES:
                    message = {**message, "body": await _gzip(body, scope["path"].startswith("/assets/"))}
                    answer["content-encoding"] = "gzip"
                    answer["content-length"] = str(len(message["body"]))
                    if "etag" in answer:
                        answer["etag"] = _suffixed(answer["etag"])
            await send(first)
            await send(message)

        await self.app(scope, receive, compressed)


def accepts_gzip(header: str) -> bool:
    """Return whether a header Accept-Encoding accepts gzip (RFC 9110, section 12.5.3)."""
    qualities = {}
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        qualities[name.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return qualities.get("gzip", qualities.get("*", False))


def _suffixed(tag: str) -> str:
    return f'{tag[:-1]}{SUFFIX}"' if tag.endswith('"') else tag


async def _gzip(body: bytes, is_asset: bool) -> bytes:
    if is_asset:
        return _best(body)
    if len(body) > MAX_INLINE:
        return await run_in_threadpool(gzip.compress, body, LEVEL, mtime=0)
    return gzip.compress(body, LEVEL, mtime=0)


@lru_cache(64)
def _best(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)
