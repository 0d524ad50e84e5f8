"""The process of one Quack session: DuckDB's own server on one serving file, for one key.

The parent writes what to serve as a line of JSON to standard input, and reads the port from standard output. The
process ends when standard input does, also if the parent is killed.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from urllib.request import urlopen

import duckdb

from stockstream.analytics.serving.lockdown import limit_memory, open_locked
from stockstream.sql.session.s3 import extension
from stockstream.sql.variables import quoted

EXTENSIONS = ("httpfs", "quack")
"""Without httpfs, whose random numbers it uses, the server answers 500."""
START_SECONDS = 30.0
ATTEMPTS = 5
"""Free ports to try: the protocol's server takes no port 0, and another process can be quicker."""
_FUNCTIONS = """
CREATE MACRO authenticate(session, token, server_token) AS
    bit_count(xor(CAST(CAST({digest} AS BLOB) AS BIT), CAST(CAST(sha256(token) AS BLOB) AS BIT))) = 0;
CREATE MACRO authorize(session, sql) AS
    coalesce('SELECT error(''' || replace(gate.main.refusal(sql), '''', '''''') || ''')', gate.main.limited(sql));
"""
"""A session is admitted if its token has the digest (compared in constant time); what `authorize` returns is run."""
_SETUP = """
SET GLOBAL quack_authentication_function = 'gate.main.authenticate';
SET GLOBAL quack_authorization_function = 'gate.main.authorize';
"""


def main() -> None:
    """Serve until standard input ends."""
    task = json.loads(sys.stdin.readline())
    load = "".join(f"LOAD {quoted(extension(name))};\n" for name in EXTENSIONS)
    functions = _FUNCTIONS.format(digest=quoted(task["digest"]))
    con = open_locked(Path(task["file"]), task["rows"], functions, load + _SETUP)
    port = _serve(con)
    with urlopen(f"http://127.0.0.1:{port}/", timeout=START_SECONDS):  # its threads run
        limit_memory()
    print(json.dumps({"port": port}), flush=True)
    sys.stdin.read()


def _serve(con: duckdb.DuckDBPyConnection) -> int:
    """Listen at a free port of this machine; return it."""
    for attempt in range(1, ATTEMPTS + 1):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        try:
            con.execute(f"CALL quack_serve('quack:127.0.0.1:{port}')")
        except duckdb.IOException:
            if attempt == ATTEMPTS:
                raise
        else:
            return port
    raise AssertionError


if __name__ == "__main__":
    main()
