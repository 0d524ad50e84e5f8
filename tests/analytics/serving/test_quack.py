"""`stockstream serve --quack`, asked by DuckDB's own shell: the lake's rows, and nothing else of the machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stockstream import analytics
from tests.analytics.serving.server import Server, start
from tests.analytics.serving.shell import Shell, as_json, quoted
from tests.analytics.serving.test_door import make_key
from tests.analytics.serving.test_generations import publish, wait_for
from tests.analytics.test_cli import run_cli

ENDLESS = "SELECT sum(range % 7) FROM range(1000000000000)"
NO_SUCH_SESSION = "this session has ended"


@dataclass
class Quack:
    """A server with two keys: `sql` has the scope, `read` does not; a query has three seconds."""

    server: Server
    file: Path
    keys: dict[str, tuple[str, str]]

    def shell(self, name: str = "sql") -> Shell:
        """Return a shell that attaches with a key."""
        return Shell(self.server.address, self.keys[name][0])


def serve(lake: str, folder: Path) -> Quack:
    keys = {name: make_key(name, scopes) for name, scopes in (("sql", "sql"), ("read", "read"))}
    file = folder / "keys"
    file.write_text("\n".join(line for _, line in keys.values()) + "\n")
    server = start(lake, "--quack", "--keys", str(file), "--sql-seconds", "3", SECRET_OF_THE_SERVER="of the server")
    return Quack(server, file, keys)


@pytest.fixture(scope="module")
def quack(lake: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quack]:
    served = serve(lake, tmp_path_factory.mktemp("quack"))
    yield served
    served.server.stop()


def children(server: Server) -> list[int]:
    """Return the processes of the sessions of a server."""
    pid = server.process.pid
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


@pytest.mark.parametrize(
    "query",
    [
        "FROM bars_as_traded WHERE symbol = 'IBM' AND year(date) = 2012 ORDER BY date",
        "FROM rsi('bars_split_adjusted', 14) WHERE symbol = 'IBM' ORDER BY date DESC LIMIT 50",
        "SELECT s.name, max(date) AS last FROM bars_adjusted JOIN symbols s USING (symbol) GROUP BY ALL ORDER BY ALL",
    ],
)
def test_the_rows_are_those_of_the_lake(quack: Quack, lake: str, query: str) -> None:
    shell = quack.shell()
    with analytics.connect(lake) as con:
        result = con.sql(query)
        expected = as_json(result.columns, result.fetchall())
    assert len(expected) > 1
    assert shell.rows(f"FROM lake.query({quoted(query)})") == expected
    shell.close()


def test_tables_are_there_by_name(quack: Quack, lake: str) -> None:
    shell = quack.shell()
    with analytics.connect(lake) as con:
        expected = con.sql("SELECT count(*), max(date)::VARCHAR FROM bars_adjusted WHERE symbol = 'IBM'").fetchall()
    assert shell.rows("SELECT count(*) AS n, max(date)::VARCHAR AS d FROM lake.bars_adjusted WHERE symbol = 'IBM'") == [
        {"n": expected[0][0], "d": expected[0][1]}
    ]
    assert len(shell.rows("FROM lake.query('FROM range(60000)')")) == 60_000  # several messages
    shell.close()


def test_a_key_without_the_scope_and_a_wrong_one_are_refused(quack: Quack) -> None:
    assert "does not have the scope sql" in quack.shell("read").greeting
    assert "there is no such key" in Shell(quack.server.address, "wrong").greeting
    assert "there is no such key" in Shell(quack.server.address, quack.keys["sql"][1].split(":")[1]).greeting


def test_nothing_but_the_lake_can_be_read_or_changed(quack: Quack, tmp_path: Path) -> None:
    shell, target = quack.shell(), tmp_path / "written.csv"
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    queries = {
        f"FROM read_csv('{secret}')": "read_csv",
        f"FROM '{secret}'": "disabled by configuration",
        f"SELECT content FROM read_text('{secret}')": "read_text",
        "FROM glob('/*')": "glob",
        f"COPY symbols TO '{target}'": "one SELECT",
        f"COPY (SELECT 1) TO '{target}'": "one SELECT",
        f"ATTACH '{target}' AS other": "one SELECT",
        "ATTACH ':memory:' AS other": "one SELECT",
        "INSTALL spatial": "one SELECT",
        "LOAD httpfs": "one SELECT",
        "SET threads = 8": "one SELECT",
        "SET enable_external_access = true": "one SELECT",
        "PRAGMA database_list": "one SELECT",
        "CREATE TABLE t (i INTEGER)": "one SELECT",
        "CREATE TEMP TABLE t (i INTEGER)": "one SELECT",
        "DELETE FROM symbols": "one SELECT",
        "WITH s AS (SELECT 1) INSERT INTO symbols(symbol) FROM s": "one SELECT",
        "SELECT 1; DROP TABLE symbols": "one SELECT",
        "SELECT getenv('SECRET_OF_THE_SERVER')": "getenv",
        "SELECT current_setting('temp_directory')": "current_setting",
        "FROM duckdb_settings()": "duckdb_settings",
        "FROM (SELECT path FROM duckdb_databases)": "duckdb_databases",
        "FROM quack_serve('quack:0.0.0.0:9999', allow_other_hostname := true)": "quack_serve",
        "SELECT * FROM (FROM QUACK_STOP('quack:localhost')) WHERE true": "QUACK_STOP",
        "FROM quack_active_connections()": "quack_active_connections",
        "FROM query('FROM quack_active_connections()')": "query",
        "FROM json_execute_serialized_sql(json_serialize_sql('FROM glob(''/*'')'))": "json_execute",
        "SELECT 1) TO 'x' --": "syntax error",
        "SELECT length(repeat('x', 2000000000))": "memory",
    }
    for query, reason in queries.items():
        printed = shell.remote(query)
        assert "Error" in printed, (query, printed)
        assert reason in printed, (query, printed)
    assert "more than 1,000,000 rows" in shell.run("SELECT count(*) FROM lake.query('FROM range(1000001)')")
    assert "changes nothing" in shell.run("INSERT INTO lake.symbols(symbol) VALUES ('X')")
    assert "changes nothing" in shell.run("CREATE TABLE lake.t (i INTEGER)")
    assert not target.exists()
    assert shell.rows("FROM lake.query('SELECT 42 AS x')") == [{"x": 42}]  # the same session
    shell.close()


def test_a_query_without_end_is_interrupted_and_others_go_on(quack: Quack) -> None:
    stuck, other = quack.shell(), quack.shell()
    assert "more than 3 s" in stuck.remote(ENDLESS)
    assert NO_SUCH_SESSION in stuck.remote("SELECT 1")
    assert other.rows("FROM lake.query('SELECT 42 AS x')") == [{"x": 42}]
    assert "Error" not in stuck.run("DETACH lake", f"ATTACH '{_uri(quack)}' AS lake (TOKEN '{quack.keys['sql'][0]}')")
    assert stuck.rows("FROM lake.query('SELECT 43 AS x')") == [{"x": 43}]
    stuck.close()
    other.close()


def test_a_key_has_a_number_of_sessions(quack: Quack) -> None:
    shell, options = quack.shell(), f"(TOKEN '{quack.keys['sql'][0]}')"
    printed = shell.run(*(f"ATTACH '{_uri(quack)}' AS lake{number} {options}" for number in range(2, 6)))
    assert printed.count("the key sql has 4 sessions: DETACH one") == 1
    assert "Error" not in shell.run("DETACH lake4", f"ATTACH '{_uri(quack)}' AS lake5 {options}")
    assert shell.rows("FROM lake5.query('SELECT 42 AS x')") == [{"x": 42}]
    shell.close()


def _uri(quack: Quack) -> str:
    return f"quack:{quack.server.address.removeprefix('http://')}"


def test_a_revoked_key_ends_its_sessions_and_a_signal_ends_all(lake: str, tmp_path: Path) -> None:
    quack = serve(lake, tmp_path)
    first = quack.shell()
    assert first.rows("FROM lake.query('SELECT 42 AS x')") == [{"x": 42}]
    other = make_key("other", "sql,read")
    quack.file.write_text(f"{other[1]}\n{quack.keys['read'][1]}\n")
    assert "the key sql has been revoked" in first.remote("SELECT 42")
    assert "there is no such key" in quack.shell().greeting
    second = Shell(quack.server.address, other[0])
    assert second.rows("FROM lake.query('SELECT 42 AS x')") == [{"x": 42}]
    processes = children(quack.server)
    assert len(processes) == 1
    code, log = quack.server.stop(signal.SIGTERM)
    assert code == 143
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)
    assert other[0] not in log
    assert "Error" in second.remote("SELECT 42")


def test_a_new_generation_is_that_of_new_sessions(lake: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "lake")
    shutil.copytree(lake, folder)
    quack = serve(folder, tmp_path)
    query = "SELECT generation, (SELECT max(date)::VARCHAR FROM bars_adjusted WHERE symbol = 'IBM') AS last FROM about"
    old = quack.shell()
    assert [row["last"] for row in old.rows(f"FROM lake.query({quoted(query)})")] == ["2013-03-01"]
    number = publish(folder, tmp_path, "2013-03-04", 205.0)
    wait_for(quack.server, number, quack.keys["read"][0])
    new = quack.shell()
    assert new.rows(f"FROM lake.query({quoted(query)})") == [{"generation": number, "last": "2013-03-04"}]
    assert [row["last"] for row in old.rows(f"FROM lake.query({quoted(query)})")] == ["2013-03-01"]
    processes = children(quack.server)
    assert len(processes) == 2
    quack.server.stop(signal.SIGKILL)  # after which the sessions end by themselves
    until = time.monotonic() + 60
    while any(_runs(pid) for pid in processes):
        assert time.monotonic() < until
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_without_keys_or_the_extension_it_does_not_start(lake: str, tmp_path: Path) -> None:
    ended = run_cli("serve", "--lake", lake, "--quack")
    assert ended.code == 2
    assert "--new-key NAME --scopes sql" in ended.err
    (tmp_path / "keys").write_text(make_key("anna", "sql")[1])
    program = (
        "import sys; sys.modules['duckdb_extension_quack'] = None\nfrom stockstream.analytics.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "serve", "--lake", lake, "--quack", "--keys", str(tmp_path / "keys")]
    without = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert without.returncode == 2
    assert 'pip install ".[quack]"' in without.stderr
    assert "Traceback" not in without.stderr


def test_bytes_that_are_no_message_are_refused(quack: Quack) -> None:
    import requests

    for body in (
        b"",
        b"\x01",
        b"\xff\xff",
        b"\x01\x00\x03\x02\x00 " + b"A" * 32 + b"\x03\x00\x00\xff\xff\x01\x00",
        os.urandom(999),
    ):
        answer = requests.post(f"{quack.server.address}/quack", body, timeout=60)
        assert answer.status_code == 200
        assert answer.content.startswith(b"\x01\x00\x64")
    assert requests.post(f"{quack.server.address}/quack", b"x" * 2_000_000, timeout=60).status_code == 413
    assert requests.get(f"{quack.server.address}/quack", timeout=60).status_code == 401  # the door's
