"""Compare published files with what their manifest says about them: size and SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from stockstream.pipeline.lake import SILVER, Lake
from stockstream.pipeline.manifest import DataFile


def damaged(lake: Lake, files: Iterable[DataFile]) -> dict[str, str]:
    """Return the reason per key for the files that are not what was published; each file is read whole.

    Raises:
        LakeError: The lake cannot be read.
    """
    reasons = {file.key: _reason(lake, file) for file in files}
    return {key: reason for key, reason in reasons.items() if reason is not None}


def missing(lake: Lake, files: Iterable[DataFile]) -> dict[str, str]:
    """Return the reason per key for the silver files that are gone or have another size; no file is read.

    Raises:
        LakeError: The lake cannot be listed.
    """
    listed = lake.store.list(SILVER)
    sizes = {file.key: (listed[file.key].size if file.key in listed else None, file.bytes) for file in files}
    return {
        key: "it is gone" if size is None else f"it has {size} bytes instead of {expected}"
        for key, (size, expected) in sizes.items()
        if size != expected
    }


def _reason(lake: Lake, file: DataFile) -> str | None:
    stored = lake.store.get(file.key)
    if stored is None:
        return "it is gone"
    if len(stored.data) != file.bytes:
        return f"it has {len(stored.data)} bytes instead of {file.bytes}"
    if hashlib.sha256(stored.data).hexdigest() != file.sha256:
        return "its bytes are not those that were published (SHA-256)"
    return None
