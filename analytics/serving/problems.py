"""Errors of the HTTP interface as problem details (RFC 9457): what is wrong, where, and what to do."""

from __future__ import annotations

import http
import json
from typing import Any

from starlette.responses import Response

TYPE = "application/problem+json"


class Problem(Exception):
    """An error that a caller can act on; `extra` are further members of the document."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.extra = status, detail, headers or {}, extra

    def document(self) -> dict[str, Any]:
        """Return the problem as it is sent."""
        title = http.HTTPStatus(self.status).phrase
        return {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.extra}

    def response(self) -> Response:
        """Return the answer to the request; no cache may keep it."""
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(json.dumps(self.document()), self.status, headers, TYPE)
