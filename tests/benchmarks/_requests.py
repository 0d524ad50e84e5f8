"""Counts requests and bytes on S3, for connecting and for typical queries.

They are counted at a server on loopback. Its speed is not that of S3, so nothing is timed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import NamedTuple

from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import CURRENT, Lake
from stockstream.pipeline.pointer import pointer_to
from stockstream.sql.loader import HOME
from stockstream.sql.session import EXTENSIONS, connect, extension, quoted
from tests.benchmarks._harness import Figure
from tests.benchmarks._reading import reads
from tests.s3_server import Request, S3Server

MAX_REQUESTS = 5
"""Requests that a query on a consolidated lake may send."""
MAX_FROM_PYTHON = 4
"""Requests of connecting and querying one symbol's history, on base and delta."""
MAX_IN_SHELL = 8
"""The same in the plain shell."""
MAX_POINTER = 256 * 1024
"""Bytes of the pointer."""
MAX_SHARE = 1.0
"""Percentage of the bytes that the unconsolidated lake sends for the same result."""


class Requests(NamedTuple):
    """The requests of a connection, and those of the query after it."""

    connecting: list[Request]
    querying: list[Request]


def uploaded(s3: S3Server, folder: Path) -> str:
    """Upload the lake in a folder to a new bucket; return its URI."""
    lake = f"s3://{s3.new_bucket()}/lake"
    upload(s3, folder, lake)
    return lake


def upload(s3: S3Server, folder: Path, lake: str) -> None:
    """Upload the files that the bucket lacks, and the files of the lake's state, which may have changed."""
    client, (bucket, _, prefix) = s3.client(), lake.removeprefix("s3://").partition("/")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    existing = {item["Key"] for page in pages for item in page.get("Contents", []) if "/state/" not in item["Key"]}
    files = {f"{prefix}/{file.relative_to(folder)}": file for file in folder.rglob("*") if file.is_file()}

    def put(key: str) -> None:
        client.put_object(Bucket=bucket, Key=key, Body=files[key].read_bytes())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, files.keys() - existing))
    on_s3 = Lake(lake)
    if (manifest := head(on_s3)).generation:  # the pointer as a writer on S3 leaves it: not a copy of an older object
        on_s3.update(CURRENT, lambda before: pointer_to(on_s3, manifest, before))


def requests_of(s3: S3Server, lake: str, query: str, verify: bool = True) -> Requests:
    """Return the requests of a query on a new connection, whose caches are empty."""
    with s3.counted() as connecting:
        con = connect(lake, verify=verify)
    with con, s3.counted() as querying:
        con.execute(query).fetchall()
    return Requests(connecting, querying)


def in_shell(s3: S3Server, lake: str, query: str) -> list[Request]:
    """Return the requests of the plain shell: `duckdb -init sql/init.sql -c QUERY`."""
    loads = "".join(f"LOAD {quoted(extension(name))};\n" for name in EXTENSIONS)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "init.sql"
        script.write_text(f'{loads}.read "{HOME}/init.sql"\n')
        variables = {"STOCKSTREAM_LAKE": lake, "XDG_CACHE_HOME": folder}
        duckdb = Path(sys.executable).parent / "duckdb"
        with s3.counted() as requests:
            subprocess.run(
                [str(duckdb), "-init", str(script), "-c", query],
                env=os.environ | variables, check=True, capture_output=True,
            )  # fmt: skip
    return requests


def counts(name: str, requests: Sequence[Request], goal: float | None = None) -> Iterator[Figure]:
    yield Figure(name, len(requests), "requests", goal)
    yield Figure(name, sent(requests), "bytes")


def sent(requests: Sequence[Request]) -> int:
    return sum(request.sent for request in requests)


def unconsolidated(s3: S3Server, lake: str, day: date) -> tuple[list[Figure], int]:
    """Count requests on daily batch files, which connect() opens one by one.

    Returns the figures and the bytes sent for one symbol's history.
    """
    history = requests_of(s3, lake, _queries(day)["history"])
    together = [*history.connecting, *history.querying]
    newest = requests_of(s3, lake, f"SELECT symbol, date, close FROM bars_since('{day}')", verify=False)
    figures = [
        *counts("S3, unconsolidated: connect + history", together),
        *counts("S3, unconsolidated: connect(verify=False)", newest.connecting),
        *counts("S3, unconsolidated: bars_since(latest day)", newest.querying),
    ]
    return figures, sent(together)


def consolidated(name: str, s3: S3Server, lake: str, day: date, unconsolidated: float) -> Iterator[Figure]:
    """Count requests on a consolidated lake.

    `unconsolidated` is the number of bytes that the unconsolidated lake sends for one symbol's history.
    """
    yield from counts(f"S3, {name}: connect", requests_of(s3, lake, "SELECT 1").connecting)
    for read, query in _queries(day).items():
        requests = requests_of(s3, lake, query)
        yield from counts(f"S3, {name}: {read}", requests.querying, MAX_REQUESTS)
        together = [*requests.connecting, *requests.querying]
        yield from counts(f"S3, {name}: connect + {read}", together, MAX_FROM_PYTHON if read == "history" else None)
        if read == "history":
            share = 100 * sent(requests.querying) / unconsolidated
            yield Figure(f"S3, {name}: {read}", share, "% of unconsolidated", MAX_SHARE)
    for read, query in _queries(day, columns="*").items():
        yield from counts(f"S3, {name}: {read}, all columns", requests_of(s3, lake, query).querying)
    adjusted = requests_of(s3, lake, f"FROM bars_split_adjusted {reads(day)['one symbol']}")
    yield from counts(
        f"S3, {name}: connect + history, split adjusted",
        [*adjusted.connecting, *adjusted.querying],
        MAX_FROM_PYTHON,
    )
    yield from counts(f"S3, {name}: shell + history", in_shell(s3, lake, _queries(day)["history"]), MAX_IN_SHELL)
    yield Figure(f"S3, {name}: pointer", len(s3.objects(lake)[CURRENT]), "bytes", MAX_POINTER)


def _queries(day: date, columns: str = "symbol, date, close") -> dict[str, str]:
    ends = reads(day)
    return {
        "history": f"SELECT {columns} FROM bars {ends['one symbol']}",
        "latest day": f"SELECT {columns} FROM bars {ends['latest day']}",
    }


def in_tiers(name: str, s3: S3Server, folder: Path, day: date) -> Iterator[Figure]:
    """Count requests of connecting and one symbol's history; each tier of base may add one, and three in the shell."""
    tiers = len(head(Lake(str(folder))).table("bars").base) - 1
    lake, query = uploaded(s3, folder), _queries(day)["history"]
    requests = requests_of(s3, lake, query)
    together = [*requests.connecting, *requests.querying]
    yield from counts(f"S3, {name}, {tiers} tiers: connect + history", together, MAX_FROM_PYTHON + tiers)
    shell = in_shell(s3, lake, query)
    yield from counts(f"S3, {name}, {tiers} tiers: shell + history", shell, MAX_IN_SHELL + 3 * tiers)
