"""Connections that are cheap to open: DuckDB's extensions are loaded without verifying their signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import pytest
from duckdb import DuckDBPyConnection

_connect = duckdb.connect


def connect_trusting(*args: Any, config: Mapping[str, Any] | None = None, **more: Any) -> DuckDBPyConnection:
    """Connect without verifying the signature of DuckDB's extensions (47 MB are hashed for it, which takes 0.2 s)."""
    return _connect(*args, config={**(config or {}), "allow_unsigned_extensions": True}, **more)


def trust_extensions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all connections of this process trust the extensions."""
    monkeypatch.setattr(duckdb, "connect", connect_trusting)
