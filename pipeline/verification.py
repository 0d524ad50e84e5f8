"""Compare published files with what their manifest says about them: size and SHA-256."""

from __future__ import annotations

from collections.abc import Iterable

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import DataFile


def damaged(lake: Lake, files: Iterable[DataFile]) -> dict[str, str]:
    """Return the reason per key for the files that are not what was published; each file is read whole.

    Raises:
        LakeError: The lake cannot be read.
    """
    reasons = {file.key: _reason(lake, file) for file in files}
    return {key: reason for key, reason in reasons.items() if reason is not None}


def _reason(lake: Lake, file: DataFile) -> str | None:
    digest = lake.store.digest(file.key)
    if digest is None:
        return "it is gone"
    size, checksum = digest
    if size != file.bytes:
        return f"it has {size} bytes instead of {file.bytes}"
    return None if checksum == file.sha256 else "its bytes are not those that were published (SHA-256)"
