"""SQL of callers: one SELECT on the serving file, and nothing else, whatever it costs."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
import pytest
import requests

from stockstream import analytics
from tests.analytics.serving.server import Server

ARROW = "application/vnd.apache.arrow.stream"


def ask(server: Server, sql: str, accept: str = "*/*", **fields: object) -> requests.Response:
    """Return the answer to a query."""
    headers = {"X-API-Key": "none", "Accept": accept}
    return requests.post(f"{server.address}/v1/sql", {"sql": sql, **fields}, headers=headers, timeout=300)


def test_rows_are_those_of_the_lake_and_a_cut_is_said(server: Server, lake: str) -> None:
    sql = "FROM rsi('bars_adjusted', 14) ORDER BY symbol, date -- the last line"
    answer = ask(server, sql, ARROW, limit=100_000)
    assert answer.headers["x-truncated"] == "false"
    assert answer.headers["x-generation"] == str(server.generation)
    with analytics.connect(lake) as con:
        assert pl.read_ipc_stream(io.BytesIO(answer.content)).equals(con.sql(sql).pl())
    answer = ask(server, "FROM bars_adjusted SELECT symbol, date ORDER BY date, symbol", limit=2)
    assert answer.json()["is_truncated"] is True
    assert answer.headers["x-truncated"] == "true"
    assert len(answer.json()["rows"]) == 2


REFUSED = [
    ("FROM read_text('/etc/passwd')", "read_text: this server does not have it"),
    ("FROM '/etc/passwd'", "passwd"),
    ("FROM glob('/*')", "glob: this server does not have it"),
    ("COPY (SELECT 1) TO '{file}'", "one SELECT"),
    ("ATTACH '{file}' AS evil", "one SELECT"),
    ("EXPORT DATABASE '{file}'", "one SELECT"),
    ("INSTALL httpfs", "one SELECT"),
    ("LOAD httpfs", "one SELECT"),
    ("SET memory_limit = '10GB'", "one SELECT"),
    ("PRAGMA database_list", ""),
    ("CALL enable_logging()", "one SELECT"),
    ("SELECT 1; SELECT 2", "one SELECT"),
    ("CREATE TEMP TABLE bars_adjusted AS SELECT 1", "one SELECT"),
    ("FROM duckdb_settings()", "this server does not have it"),
    ("FROM duckdb_secrets()", "this server does not have it"),
    ("FROM duckdb_databases", "this server does not have it"),
    ("SELECT current_setting('temp_directory')", "this server does not have it"),
    ("SELECT getenv('HOME')", "getenv"),
    ("FROM query('ATTACH ''{file}''')", "this server does not have it"),
    ("SELECT (", "syntax error"),
    ("", "sql"),
]


@pytest.mark.parametrize(("sql", "reason"), REFUSED)
def test_what_is_no_select_of_the_file_is_refused(server: Server, tmp_path: Path, sql: str, reason: str) -> None:
    file = tmp_path / "evil"
    answer = ask(server, sql.format(file=file))
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]
    assert not file.exists()


TOO_MUCH = [
    ("SELECT count(*) FROM range(1000000) AS a, range(1000000) AS b WHERE a.range * b.range % 7 = 8", 422),
    ("SELECT repeat('x', 100000000) AS text FROM range(100)", 413),
    pytest.param("SELECT length(repeat('x', 4000000000))", 413, marks=pytest.mark.large),
    pytest.param("SELECT list(range) FROM range(1000000000)", 413, marks=pytest.mark.large),
    pytest.param("SELECT repeat('x', 1000) AS text FROM range(99000)", 413, marks=pytest.mark.large),
]


@pytest.mark.parametrize(("sql", "status"), TOO_MUCH)
def test_what_would_take_too_much_ends(server: Server, sql: str, status: int) -> None:
    answer = ask(server, sql, limit=100_000)
    assert answer.status_code == status
    assert ("CPU time" if status == 422 else "memory") in answer.json()["detail"]
    assert ask(server, "SELECT 42 AS answer").json()["rows"] == [{"answer": 42}]


def test_a_query_that_is_wrong_says_so(server: Server) -> None:
    assert "nosuch" in ask(server, "SELECT nosuch FROM bars_adjusted").json()["detail"]
    assert sorted(ask(server, "SELECT 1 AS a, 2 AS a").json()["rows"][0].values()) == [1, 2], "none is lost"
    assert ask(server, "SELECT 1", limit=100_001).status_code == 422
    assert requests.post(f"{server.address}/v1/sql", {"sql": "SELECT 1"}, timeout=60).status_code == 403
    assert requests.get(f"{server.address}/v1/sql", timeout=60).status_code == 405
