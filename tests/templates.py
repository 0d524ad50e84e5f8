"""Connections that are cheap to open: the views of a lake are bound once per process, and copied from then on.

Binding all views and macros takes 0.2 CPU seconds, and the suite opens some thousands of connections. The first
connection of each kind runs the SQL files; its catalogue is kept in a database file, from which later connections copy.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from stockstream.sql.session import connection as session

_create = session._create_views
_connect = duckdb.connect

_variables = session.empty_variables
"""The statements that set the variables of a connection, which are not part of a database."""


class Templates:
    """Catalogues by the views that are in them, as files in a temporary folder."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stockstream-templates-", ignore_cleanup_errors=True)
        self._files: dict[tuple[str, ...] | None, Path] = {}
        self._lock = threading.Lock()

    def create_views(self, con: DuckDBPyConnection, only: Sequence[str] | None) -> None:
        """Create the views that `only` names, as `connection._create_views` does."""
        key = None if only is None else tuple(only)
        with self._lock:  # a file is attached by one connection at a time
            if key in self._files:
                con.execute(f"ATTACH '{self._files[key]}' AS template (READ_ONLY)")
                con.execute("COPY FROM DATABASE template TO memory")
                con.execute(_variables())
            else:
                _create(con, only)
                file = Path(self._folder.name) / f"{len(self._files)}.duckdb"
                con.execute(f"ATTACH '{file}' AS template")
                con.execute("COPY FROM DATABASE memory TO template")
                self._files[key] = file
            con.execute("DETACH template")


def connect_trusting(*args: Any, config: Mapping[str, Any] | None = None, **more: Any) -> DuckDBPyConnection:
    """Connect without verifying the signature of DuckDB's extensions (47 MB are hashed for it, which takes 0.2 s)."""
    return _connect(*args, config={**(config or {}), "allow_unsigned_extensions": True}, **more)


TEMPLATES = Templates()


def use_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all connections of this process copy their views, and trust the extensions."""
    monkeypatch.setattr(session, "_create_views", TEMPLATES.create_views)
    monkeypatch.setattr(duckdb, "connect", connect_trusting)
