"""The analyst's connection to a lake."""

from __future__ import annotations

from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.pipeline.generations import as_of as find_generation
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.settings import settings
from stockstream.sql.session import connect as open_session

AsOf = int | str | date
"""A generation by its number, or by a time: the newest that was published up to then; a day counts whole, in UTC."""


def connect(lake: str | None = None, *, as_of: AsOf | None = None, verify: bool = True) -> DuckDBPyConnection:
    """Open a lake (a folder or s3://bucket/prefix; `STOCKSTREAM_LAKE` by default) with its views.

    The connection sees the files that were there when it was made; with `as_of` what a generation of
    `stockstream history` had published, and nothing newer. `verify` leaves unreadable batch files out, each named by a
    warning, at the price of opening all of them first. Use one connection a thread.

    Raises:
        LakeError: the lake cannot be listed: no credentials, wrong ones, no such bucket, no connection.
        UsageError: there is no such generation, or it is gone.
    """
    uri = lake or settings().lake_uri
    return open_session(uri, generation=generation_of(uri, as_of), verify=verify)


def generation_of(lake: str, as_of: AsOf | None) -> int | None:
    """Give the number of the generation that is meant; None: the newest, with what has been fetched since."""
    return None if as_of is None else find_generation(Lake(lake), str(as_of))
