"""A lake on S3 is the same as in a folder, byte for byte; every refusal by S3 is one clear line."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import moto.settings
import pytest
from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.sql.loader import HOME, load, views, views_for
from stockstream.sql.session import connect, extension
from tests.analytics.test_cli import Ran, process, run_cli
from tests.s3_server import REGION, S3Server

DUCKDB = shutil.which("duckdb", path=str(Path(sys.executable).parent))

# Files of two days: a correction, a dividend, a split, a gap (CBA), no close yet (BHP), a delisted company, a new one.
HEADER = "symbol,date,open,high,low,close,volume,dividend,split_ratio\n"
FIRST = f"""{HEADER}BHP,2026-11-12,40,42,39.5,41.5,1000,0,1
BHP,2026-11-13,41,43,40.5,42.5,1100,0.5,1
BHP,2026-11-16,41,43,40.5,42.25,1200,0,1
CBA,2026-11-12,150,152,149,151,500,0,1
CBA,2026-11-16,151,153,150,152,600,0,1
OLD,2026-11-12,1,1,1,1,1,0,1
"""
SECOND = f"""{HEADER}BHP,2026-11-16,41,43,40.5,42.125,1250,0,1
BHP,2026-11-17,21,22,20.5,21.5,2400,0,2
BHP,2026-11-18,21.5,22,21,,0,0,1
CBA,2026-11-16,151,153,150,152,600,0,1
CBA,2026-11-17,151,153,150,153.3333333333333,600,0,1
NEW,2026-11-17,0.1,0.3,0.1,0.2,9007199254740993,0,1
"""


class Clock(datetime):
    """A clock that stands still, so that the runs of both lakes have the same timestamps; sockets use the real one."""

    at = datetime(2026, 11, 17, 8, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return cls.at.astimezone(tz)


@dataclass(frozen=True)
class Twins:
    """Two lakes with the same history of runs: one in a folder, one on S3."""

    folder: str
    s3: str

    def objects(self, server: S3Server) -> tuple[dict[str, bytes], dict[str, bytes]]:
        files = {path.relative_to(self.folder): path for path in Path(self.folder).rglob("[!.]*") if path.is_file()}
        bucket, _, prefix = self.s3.removeprefix("s3://").partition("/")
        client = server.client()
        keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]]
        bodies = {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
        return (
            {without_names(str(key)): content(path.read_bytes()) for key, path in files.items()},
            {without_names(key.removeprefix(f"{prefix}/")): content(body) for key, body in bodies.items()},
        )


def without_names(text: str) -> str:
    """Return a text without the random parts of names of silver files, and without a manifest's times and checksum."""
    varying = r'-[0-9a-f]{8}\.parquet|"(created_at|written_at)": ?"[^"]*"|^{"sha256":"[0-9a-f]*",'
    return re.sub(varying, "", text)


def content(body: bytes) -> bytes:
    """Return the content of a file as `without_names`, in a manifest without the versions of its store, and in stored
    findings without their time."""
    varying = r'"made_from": ?{[^}]*}|"checked_at": "[^"]*"'
    return re.sub(varying, "", without_names(body.decode())).encode() if body[:1] == b"{" else body


def run_twice(twins: Twins, at: datetime, *arguments: str) -> list[dict[str, object]]:
    """Run the same command on both lakes at the same moment; return both summaries."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("stockstream.pipeline.runner.datetime", Clock)
        patched.setattr(Clock, "at", at)
        ran = [run_cli(*arguments, "--json", "--lake", lake) for lake in (twins.folder, twins.s3)]
    assert [each.code for each in ran] in ([0, 0], [3, 3]), ran
    return [json.loads(each.out) for each in ran]


@pytest.fixture(scope="module")
def environment(s3_server: S3Server) -> Iterator[None]:
    """Point the settings at the S3 server while the module's lakes are created; each test then has its own settings."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in s3_server.environment.items():
            patched.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def twins(s3_server: S3Server, environment: None, tmp_path_factory: pytest.TempPathFactory) -> Twins:
    folder = tmp_path_factory.mktemp("twins")
    twins = Twins(str(folder / "lake"), f"s3://{s3_server.new_bucket()}/a/lake")
    for day, text in ((17, FIRST), (19, SECOND), (19, SECOND)):
        (folder / "bars.csv").write_text(text)
        at = datetime(2026, 11, day, 8, tzinfo=UTC)
        one, other = run_twice(
            twins, at, *("run", "--source", f"files:{folder / 'bars.csv'}", "--batch-size", "2"),
            *("--prices", "as-traded", "--accept-smaller"),
        )  # fmt: skip
        for name in ("lake", "seconds"):
            del one[name], other[name]
        assert one == other
        if day == 17:
            for lake in (twins.folder, twins.s3):
                consolidate({}, Lake(lake))
    return twins


EMPTY = {
    f"views/{name}"
    for name in (
        "signals",
        "reconciled",
        "reconciled_symbols",
        "reused_symbols",
        "code_histories",
        "split_steps",
        "stale_tables",
        "live",
        "indicators_live",
        "live_indicators",
        "raw_events",
    )
}
"""Views without rows here: signals need more days, and are compared on the demo's bars; nothing was reconciled."""
LISTED = {"views/live", "views/raw_events"}
"""Views that list files as they are bound: then DuckDB holds Python's lock, which the server here needs to answer."""


def csv_of(lake: str, query: str, apart: bool = False) -> str:
    """Return the result of a query as the command prints it (CSV), without the name of the lake.

    `apart` runs it in another process than that of the server.
    """
    arguments = ("query", query, "--lake", lake, "--format", "csv")
    ended = process(*arguments) if apart else None
    ran = Ran(ended.returncode, ended.stdout, ended.stderr) if ended else run_cli(*arguments)
    assert (ran.code, ran.err) == (0, "")
    return ran.out.replace(lake, "LAKE")


def query_of(view: str) -> str:
    """Return the query of a view; for a macro with parameters, the example in its header."""
    header = load(view).header
    if header.get("params"):
        return f"FROM ({header['example']}) ORDER BY ALL"
    return f"FROM {header['name']}{'()' if 'params' in header else ''} ORDER BY ALL"


def test_same_keys_and_the_same_bytes(twins: Twins, s3: S3Server) -> None:
    folder, bucket = twins.objects(s3)
    assert sorted(folder) == sorted(bucket)
    assert len([key for key in folder if key.startswith("raw-data/")]) >= 4
    assert [key for key in folder if folder[key] != bucket[key]] == []


@pytest.fixture(scope="module")
def connections(twins: Twins) -> Iterator[tuple[DuckDBPyConnection, DuckDBPyConnection]]:
    with connect(twins.folder) as in_folder, connect(twins.s3) as on_s3:
        yield in_folder, on_s3


@pytest.mark.parametrize("view", views())
def test_every_view_gives_the_same_rows(
    view: str, twins: Twins, connections: tuple[DuckDBPyConnection, DuckDBPyConnection], s3: S3Server
) -> None:
    query = query_of(view)
    if LISTED & {*views_for(view)}:
        in_folder, on_s3 = (csv_of(lake, query, apart=True).splitlines()[1:] for lake in (twins.folder, twins.s3))
    else:
        in_folder, on_s3 = (
            [str(row).replace(lake, "LAKE") for row in con.execute(query).fetchall()]
            for con, lake in zip(connections, (twins.folder, twins.s3), strict=True)
        )
    assert in_folder == on_s3
    if view not in EMPTY:
        assert in_folder, f"{view} has no rows here: the comparison says nothing"


@pytest.mark.large
def test_demo_is_the_same_on_both(s3: S3Server, tmp_path: Path) -> None:
    if importlib.util.find_spec("bokeh_sampledata") is None:
        pytest.skip("bokeh-sampledata is not installed: pip install '.[demo]'")
    twins = Twins(str(tmp_path / "lake"), f"s3://{s3.new_bucket()}")
    one, other = run_twice(twins, datetime(2026, 11, 20, 12, tzinfo=UTC), "demo")
    assert one["rows"] == other["rows"]
    assert one["rows"] > 12_000  # type: ignore[operator]
    folder, bucket = twins.objects(s3)
    assert folder == bucket
    for view in ("bars", "actions", "bars_adjusted", "bars_as_traded", "gaps", "indicators", "signals"):
        assert csv_of(twins.folder, f"FROM {view} ORDER BY ALL") == csv_of(twins.s3, f"FROM {view} ORDER BY ALL")


# --- the shell


def shell_rows(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result
    banner, _, rows = result.stdout.partition("\n")
    assert "batch files, the newest of 2026-11-19" in banner
    assert "\x1b" not in result.stdout
    return rows


SHELL = ["-csv", "-nullvalue", "", "-c", "FROM bars ORDER BY ALL"]


def test_plain_shell_on_s3(twins: Twins, s3: S3Server, tmp_path: Path) -> None:
    """The extensions are loaded first; without that, the shell would install them from the network."""
    first = [argument for name in ("httpfs", "aws") for argument in ("-cmd", f"LOAD '{extension(name)}'")]
    environment = {"STOCKSTREAM_LAKE": twins.s3, "NO_COLOR": "1", "XDG_CACHE_HOME": str(tmp_path)}
    result = subprocess.run(
        [str(DUCKDB), *first, "-cmd", f".read {HOME}/init.sql", *SHELL],
        cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert shell_rows(result) == csv_of(twins.s3, "FROM bars ORDER BY ALL")
    assert s3.environment["AWS_SECRET_ACCESS_KEY"] not in result.stdout + result.stderr


def test_own_shell_on_both(twins: Twins, s3: S3Server) -> None:
    rows = {shell_rows(process("shell", "--lake", lake, "--", *SHELL)) for lake in (twins.folder, twins.s3)}
    assert rows == {csv_of(twins.s3, "FROM bars ORDER BY ALL")}


REWRITE = (
    "SET validate_external_file_cache = 'VALIDATE_ALL'",
    "COPY (SELECT symbol FROM bars WHERE symbol < 'C') TO '{file}'", "SELECT count(*), min(symbol) FROM '{file}'",
    "COPY (SELECT 'new' AS symbol) TO '{file}'", "SELECT count(*), min(symbol) FROM '{file}'",
)  # fmt: skip
"""Write a file, read it, write it again, and read it again."""
PYTHON = """import sys
from stockstream import analytics
con = analytics.connect(sys.argv[1])
results = [con.execute(text).fetchall() for text in sys.argv[2:]]
print(*(cell for row in results[2::2] for cell in row[0]))
"""


def test_a_connection_writes_and_reads_beside_the_lake(twins: Twins, s3: S3Server) -> None:
    """In another process, because the server is in this one."""
    texts = [text.format(file=f"s3://{twins.s3.split('/')[2]}/results/python.parquet") for text in REWRITE]
    command = [sys.executable, "-c", PYTHON, twins.s3, *texts]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.stdout == "4 BHP 1 new\n", result.stderr


def test_the_shell_writes_and_reads_beside_the_lake(twins: Twins, s3: S3Server) -> None:
    text = ";".join(REWRITE).format(file=f"s3://{twins.s3.split('/')[2]}/results/shell.parquet")
    result = process("shell", "--lake", twins.s3, "--", "-csv", "-noheader", "-c", text)
    assert shell_rows(result) == "4,BHP\n1,new\n"


# --- refusals by S3


@dataclass(frozen=True)
class Keys:
    """The keys of a user of the S3 server."""

    access: str
    secret: str


@pytest.fixture
def strict(twins: Twins, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Make the server check signatures and policies as AWS does; use and return the keys of a user with all rights."""
    iam = boto3.client("iam", endpoint_url=s3.url, region_name=REGION)
    user = f"user-{len(iam.list_users()['Users'])}"
    iam.create_user(UserName=user)
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=json.dumps(allowed))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    monkeypatch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    return Keys(key["AccessKeyId"], key["SecretAccessKey"])


COMMANDS = {
    "run": ["run", "--source", "BARS"],
    "query": ["query", "FROM bars"],
    "status": ["status", "--json"],
    "shell": ["shell", "--", "-c", "FROM bars"],
}
every_command = pytest.mark.parametrize("command", COMMANDS)


def run_on(lake: str, command: str, tmp_path: Path) -> Ran:
    (tmp_path / "bars.csv").write_text(SECOND)
    name, *rest = [part.replace("BARS", f"files:{tmp_path / 'bars.csv'}") for part in COMMANDS[command]]
    return run_cli(name, "--lake", lake, *rest)


def assert_refused(ran: Ran, lake: str, words: str, *secrets: str, code: int = 1) -> None:
    assert ran.code == code, ran
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith("error: cannot ")
    assert lake in line
    assert words in line
    assert "Traceback" not in ran.err
    assert not [secret for secret in secrets if secret in ran.err]


def test_right_credentials_pass_the_strict_server(twins: Twins, strict: Keys) -> None:
    """Without this the refusals below would prove nothing."""
    assert csv_of(twins.s3, "FROM bars ORDER BY ALL") == csv_of(twins.folder, "FROM bars ORDER BY ALL")
    assert run_cli("status", "--lake", twins.s3).code == 0


@every_command
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00", "S3 does not know the access key"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2hunter2hunter2", "the secret access key is wrong"),
        ("AWS_SESSION_TOKEN", "t0ken-of-yesterday", "the AWS session token is wrong"),
    ],
)
def test_wrong_credentials(
    variable: str, value: str, words: str, command: str, twins: Twins, strict: Keys, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(variable, value)
    ran = run_on(twins.s3, command, tmp_path)
    assert_refused(ran, twins.s3, words, strict.secret, "hunter2", "t0ken")


@every_command
def test_a_user_who_may_not(command: str, twins: Twins, strict: Keys, tmp_path: Path, s3: S3Server) -> None:
    iam = boto3.client("iam", endpoint_url=s3.url, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
    for user in iam.list_users()["Users"]:
        for policy in iam.list_user_policies(UserName=user["UserName"])["PolicyNames"]:
            iam.delete_user_policy(UserName=user["UserName"], PolicyName=policy)
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    assert_refused(run_on(twins.s3, command, tmp_path), twins.s3, "access denied", strict.secret)


class Expired(BaseHTTPRequestHandler):
    """Answers requests as AWS does if a token has expired; moto does not implement this."""

    def do_GET(self) -> None:
        code = "<Code>ExpiredToken</Code><Message>The provided token has expired.</Message>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{code}</Error>'.encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@every_command
def test_expired_credentials(command: str, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Expired)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t0ken-of-yesterday")
    ran = run_on("s3://bucket/lake", command, tmp_path)
    server.shutdown()
    server.server_close()
    assert_refused(ran, "s3://bucket/lake", "the AWS credentials have expired", "t0ken")


@every_command
def test_no_credentials(command: str, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = f"s3://{s3.new_bucket()}/lake"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert_refused(run_on(lake, command, tmp_path), lake, "no AWS credentials found")


@every_command
def test_no_such_bucket(command: str, s3: S3Server, tmp_path: Path) -> None:
    ran = run_on("s3://no-such/lake", command, tmp_path)
    assert_refused(ran, "s3://no-such/lake", "there is no such bucket", code=2)


@every_command
def test_nobody_there(command: str, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    # run and status use boto3, whose message has the address; the others use DuckDB
    words = "Could not connect to the endpoint URL" if command in ("run", "status") else "no connection to S3"
    assert_refused(run_on("s3://bucket/lake", command, tmp_path), "s3://bucket/lake", words)
