"""Texts for a browser: it need not know the folders of this machine."""

from __future__ import annotations

import re

_PATH = re.compile(r"(?<![\w.:/])/(?:[^\s/:'\",()]+/)+([^\s/:'\",()]*)")


def without_paths(text: str) -> str:
    """Return a text with the last part of each absolute path only."""
    return _PATH.sub(lambda match: match[1] or "a folder", text)
