"""Texts that the server signs: what it hands out and gets back, and no one else can make.

A text is a payload and its HMAC-SHA-256 under the server's secret and a purpose, so that a text that was signed for one
purpose is none for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac


class Signer:
    """Signs and verifies."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, purpose: str, payload: bytes) -> str:
        """Return a payload with its signature, in characters that cookies, forms and addresses may have."""
        return f"{_text(payload)}.{_text(self._signature(purpose, payload))}"

    def payload(self, purpose: str, text: str) -> bytes | None:
        """Return what was signed for a purpose; None: the text is not of this server."""
        try:
            payload, signature = (base64.b64decode(_padded(part), b"-_", validate=True) for part in text.split("."))
        except (ValueError, binascii.Error):
            return None
        return payload if hmac.compare_digest(signature, self._signature(purpose, payload)) else None

    def _signature(self, purpose: str, payload: bytes) -> bytes:
        return hmac.new(self._secret, f"{purpose}\0".encode() + payload, hashlib.sha256).digest()


def _padded(part: str) -> str:
    return part + "=" * (-len(part) % 4)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
