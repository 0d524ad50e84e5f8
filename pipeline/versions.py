"""Versions of installed packages, as far as they have metadata: a Lambda package has the code without it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "0"


@cache
def version_of(package: str = "stock-stream") -> str:
    """Return the version of a package, otherwise `UNKNOWN`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return UNKNOWN
