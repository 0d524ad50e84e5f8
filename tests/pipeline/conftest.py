"""Fixtures of the tests of the pipeline."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tests.polygon_vendor import Vendor


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return an empty DuckDB connection."""
    with duckdb.connect() as con:
        yield con


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """Return a running server in the place of Polygon."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Vendor() as vendor:
        yield vendor
