"""Whether the folders of a lake can be read: DuckDB's `glob` lists no file of a folder without permission."""

from __future__ import annotations

import os
import stat

from stockstream.sql.errors import LakeError

FOLDERS = ("state", "state/manifests", "raw-data", "silver", "symbols", "quarantine")
"""The folders of a lake."""
_EFFECTIVE = os.access in os.supports_effective_ids


def require_readable(lake: str) -> None:
    """Check that the folders of a lake in a folder, as far as they exist, are folders that can be read.

    Raises:
        LakeError: one is a file, or this user may not read it.
    """
    for folder in (lake, *(f"{lake}/{name}" for name in FOLDERS)):
        try:
            is_folder = stat.S_ISDIR(os.stat(folder).st_mode)  # noqa: PTH116 (the text is the URI of the lake)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LakeError(f"cannot read {folder}: {error.strerror}") from None
        if not is_folder:
            raise LakeError(f"cannot read {lake}: {folder} is a file instead of a folder")
        if not os.access(folder, os.R_OK | os.X_OK, effective_ids=_EFFECTIVE):
            raise LakeError(f"cannot read {folder}: Permission denied")
