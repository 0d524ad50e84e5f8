"""The analyst's connection to a lake."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

import sql.session
from pipeline.settings import settings


def connect(lake: str | None = None, *, verify: bool = True) -> DuckDBPyConnection:
    """Open a lake (a folder or s3://bucket/prefix; `STOCKSTREAM_LAKE` by default) with its views.

    The connection sees the files that were there when it was made. `verify` leaves unreadable batch files out, each
    named by a warning, at the price of opening all of them first. Use one connection a thread.

    Raises:
        LakeError: the lake cannot be listed: no credentials, wrong ones, no such bucket, no connection.
    """
    return sql.session.connect(lake or settings().lake_uri, verify=verify)
