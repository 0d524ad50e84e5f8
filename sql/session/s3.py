"""Access to S3 from a DuckDB connection: extensions, region, endpoint and credentials."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.extras import require
from stockstream.sql.loader import load
from stockstream.sql.session.explanations import explain
from stockstream.sql.variables import set_variable

DEFAULT_REGION = "ap-southeast-2"
EXTENSIONS = ("httpfs", "aws")
"""The DuckDB extensions that reading from S3 needs."""


def extension(name: str) -> str:
    """Return what to LOAD for a DuckDB extension: the file in its PyPI package if installed, otherwise its name.

    Unlike the name, the file also loads without a home folder and without a network, as on Lambda.
    """
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is not None and spec.origin is not None:
        files = sorted(Path(spec.origin).parent.glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"))
        if files:
            return str(files[0])
    return name


def region() -> str:
    """Return the AWS region of the bucket, as the environment names it."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION


def open_s3(con: DuckDBPyConnection, lake: str) -> None:
    """Let a connection read a lake on S3, with the usual AWS environment variables and credentials.

    Raises:
        LakeError: there are no credentials.
        MissingPackage: the extensions are not installed.
    """
    for name in EXTENSIONS:
        try:
            con.execute(f"LOAD '{extension(name)}'")
        except duckdb.Error:  # neither a package nor an INSTALL of the user's has it
            require(*(f"duckdb_extension_{name}" for name in EXTENSIONS), by="a lake on S3")
            raise
    set_variable(con, "s3_endpoint", os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", ""))
    set_variable(con, "s3_region", region())
    try:
        con.execute(load("secret").text)
    except duckdb.Error as error:
        raise explain(error, lake) from None
