"""Forged requests: a page of another site must not change anything through the browser of a person who uses this one.

A request that changes something (any method but GET, HEAD and OPTIONS) passes if it comes from a page of this server
and carries a token that only such a page has. Of a page, a browser sends the header Origin; if it does not, the headers
Sec-Fetch-Site or Referer decide. The token is an HMAC of a random value and the session (OWASP, Cross-Site Request
Forgery Prevention, HMAC based token pattern): the server stores none, and that of another session is refused.

A request with the header `Authorization: Bearer` or `X-API-Key` needs neither: a browser never adds these by itself,
and a script of another site may add them only after a preflight request, which this server refuses.
`Authorization: Basic` is different, because a browser repeats it.

A WebSocket is opened by any site without a preflight request, so that its Origin is checked, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from stockstream.analytics.serving.bodies import FIELD
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.signatures import Signer

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing (RFC 9110, section 9.2.1)."""
HEADER = "x-csrf-token"
"""Where a request has its token, if not in a field of a form."""
NONCE_BYTES = 12
PORTS = {"http": "80", "https": "443"}


class Guard:
    """Makes the tokens of forms, and refuses forged requests."""

    def __init__(self, signer: Signer, names: Collection[str] = ()) -> None:
        self._signer = signer
        self._others = frozenset(f"https://{name}:443" for name in names)
        """Origins beside that of the header Host: a proxy may have replaced it."""

    def token(self, session: str) -> str:
        """Return a token for the forms of a session; that of visitors without a session is empty."""
        return self._signer.sign(_purpose(session), secrets.token_bytes(NONCE_BYTES))

    def check_origin(self, headers: Headers, scheme: str) -> None:
        """Refuse a request of a page of another origin; a request without any of the headers is of no browser.

        Raises:
            Problem: it is of another page (403).
        """
        allowed = {_origin(f"{scheme}://{headers.get('host', '')}"), *self._others}
        origin, site, referer = (headers.get(name) for name in ("origin", "sec-fetch-site", "referer"))
        if origin is not None:
            is_own = _origin(origin) in allowed
        elif site is not None:
            is_own = site == "same-origin"
        else:
            is_own = referer is None or _origin(referer) in allowed
        if not is_own:
            raise Problem(403, _foreign(headers.get("host", ""), scheme))

    def check_token(self, headers: Headers, form: dict[str, str], session: str) -> None:
        """Refuse a request without a token of its session.

        Raises:
            Problem: it has none (403).
        """
        token = headers.get(HEADER) or form.get(FIELD, "")
        if self._signer.payload(_purpose(session), token) is None:
            reason = "the form is of another session, or its server has another secret" if token else "it has no token"
            hint = "load the page again, or authenticate with the header X-API-Key"
            raise Problem(403, f"this request changes something, and {reason}: {hint}")


def is_sent_by_a_program(headers: Headers) -> bool:
    """Return whether a request has a header that no browser adds by itself."""
    return bool(headers.get("x-api-key")) or headers.get("authorization", "").lower().startswith("bearer ")


def _purpose(session: str) -> str:
    return f"form {session}"


def _origin(address: str) -> str | None:
    """Return scheme, name and port of an address; None: it is no address of the web, such as Origin's `null`."""
    try:
        parts = urlsplit(address)
        port = str(parts.port or PORTS[parts.scheme])
    except (ValueError, KeyError):
        return None
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else None


def _foreign(host: str, scheme: str) -> str:
    return (
        f"the request is of a page of another site: only pages of {scheme}://{host} may send it "
        "(behind a proxy: it must pass on the header Host, and --proxy must name it)"
    )
