"""Seal the JSON documents of state/ with the SHA-256 of their text, so that a flipped bit in one is noticed.

A sealed document begins with `{"sha256":"…",`: the checksum of the document without this first key.
"""

from __future__ import annotations

import hashlib
import re

_SEAL = re.compile(rb'^\{"sha256":"([0-9a-f]{64})",')


def seal(document: bytes) -> bytes:
    """Return a JSON object, which is not empty, with its checksum as the first key."""
    checksum = hashlib.sha256(document).hexdigest()
    return b'{"sha256":"' + checksum.encode() + b'",' + document[1:]


def unseal(data: bytes) -> bytes | None:
    """Return the document without its checksum, or as it is if it has none; None if the checksum is another."""
    match = _SEAL.match(data)
    if match is None:
        return data
    document = b"{" + data[match.end() :]
    return document if hashlib.sha256(document).hexdigest().encode() == match.group(1) else None


def is_sealed(data: bytes) -> bool:
    """Return whether a document begins with a checksum."""
    return _SEAL.match(data) is not None
