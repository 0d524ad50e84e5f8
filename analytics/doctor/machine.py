"""This machine: versions, the clock, and room on its disks."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from stockstream.analytics.doctor.findings import Finding
from stockstream.pipeline.generations import head_as_it_is
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.sources import Source
from stockstream.pipeline.versions import version_of
from stockstream.sql.extras import require
from stockstream.sql.session.s3 import EXTENSIONS, extension

WRONG, REFUSED = timedelta(minutes=1), timedelta(minutes=10)
"""How wrong a clock may be: S3 refuses requests that are 15 minutes off; a bar is final 30 minutes after the close."""
ROOM = 1 << 30
"""Bytes that should be free."""
TIMEOUT = 5.0
"""Seconds to connect, and without a byte of the answer."""


def version_findings() -> Iterator[Finding]:
    """Yield the versions of Python, of this program and of DuckDB, whose extensions and shell must have its version."""
    ours, python = version_of(), ".".join(map(str, sys.version_info[:3]))
    yield Finding.ok("versions", f"stock-stream {ours}, Python {python}, duckdb {duckdb.__version__}")
    for name, version in sorted(_parts_of_duckdb().items()):
        if version != duckdb.__version__:
            action = f"pip install {name}=={duckdb.__version__}"
            yield Finding.failed("versions", f"{name} is {version}, and duckdb {duckdb.__version__}", action)
    with duckdb.connect() as con:
        for name in EXTENSIONS:
            try:
                con.execute(f"LOAD '{extension(name)}'")
            except duckdb.Error:
                require(*(f"duckdb_extension_{name}" for name in EXTENSIONS), by="a lake on S3")
                action = f"pip install duckdb-extension-{name}=={duckdb.__version__}"
                yield Finding.failed("versions", f"DuckDB cannot load {name}, which reading from S3 needs", action)


def _parts_of_duckdb() -> dict[str, str]:
    names = ((one.metadata["Name"] or "", one.version) for one in distributions())
    return {name: version for name, version in names if name.startswith(("duckdb-extension", "duckdb-cli"))}


def clock_findings(lake: Lake, source: Source | None) -> Iterator[Finding]:
    """Yield how far this machine's clock is from that of S3, or of the source's server."""
    url = _endpoint() if lake.uri.startswith("s3://") else source.address() if source else None
    if url is None:
        yield Finding.ok("clock", "not compared: neither the lake nor the source is on a server")
        return
    host = urlsplit(url).hostname
    try:
        offset = clock_offset(url)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        action = "check the network, the proxy and the firewall; a run needs this server"
        yield Finding.warning("clock", f"not compared: {host} does not answer ({type(error).__name__})", action)
        return
    text = f"{abs(offset.total_seconds()):.0f} s {'behind' if offset > timedelta(0) else 'ahead of'} {host}"
    action = "let the machine set its clock by NTP (`timedatectl set-ntp true`)"
    if abs(offset) > REFUSED:
        yield Finding.failed("clock", f"{text}: requests are refused, or open sessions taken for complete", action)
    elif abs(offset) > WRONG:
        yield Finding.warning("clock", text, action)
    else:
        yield Finding.ok("clock", text)


def clock_offset(url: str) -> timedelta:
    """Return the time of a server minus that of this machine, to a second or so, from the header Date of its answer.

    The request goes to the root, without credentials.

    Raises:
        OSError: the server does not answer.
        ValueError: the answer has no such header.
    """
    import requests

    parts = urlsplit(url)
    with requests.Session() as session:
        session.auth = lambda request: request  # otherwise requests would send what ~/.netrc has for the host
        began = time.time()
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
        answer = session.head(place, timeout=TIMEOUT, allow_redirects=False)
    theirs = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    return timedelta(seconds=theirs + 0.5 - (began + time.time()) / 2)  # the header has whole seconds


def _endpoint() -> str:
    import boto3

    return str(boto3.client("s3").meta.endpoint_url)


def disk_findings(lake: Lake) -> Iterator[Finding]:
    """Yield for the folder of temporary files, and that of the lake, how much is free and whether it can be written.

    A run writes its new files to the temporary folder first: at most as much as the largest table has.
    """
    try:
        tables = head_as_it_is(lake).tables.values()
    except Exception:  # the lake's part says why
        tables = {}.values()
    needed = max((sum(file.bytes for file in table.files) for table in tables), default=0)
    folders = {"temporary files": Path(tempfile.gettempdir())}
    if not lake.uri.startswith("s3://"):
        folders["the lake"] = Path(lake.uri)
    for what, path in folders.items():
        existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        free = shutil.disk_usage(existing).free
        text = f"{what}: {free / 1e9:,.1f} GB free on {existing}"
        action = "make room, or set TMPDIR" if what == "temporary files" else "make room; `stockstream vacuum --delete`"
        if not os.access(existing, os.W_OK | os.X_OK):
            action = f"chown or chmod {existing}, or run as its owner"
            yield Finding.failed("disk", f"{what}: {existing} cannot be written by this user", action)
        elif free < needed:
            text += f", less than the {needed / 1e9:,.1f} GB of the largest table, which a run may write again"
            yield Finding.failed("disk", text, action)
        elif free < max(ROOM, 2 * needed):
            yield Finding.warning("disk", text, action)
        else:
            yield Finding.ok("disk", text)
