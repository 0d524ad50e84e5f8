"""A store that does not answer as one: no permission, a file instead of a folder, a page of a portal, a reset body."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stockstream.analytics import connect
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import MARKER, Lake
from stockstream.pipeline.store import Store, open_store
from stockstream.sql.session import LakeWarning
from tests.analytics.test_cli import assert_one_error, run_cli
from tests.injected import Injected
from tests.pages import PORTAL, XHTML, answering
from tests.s3_server import S3Server
from tests.unprivileged import give_away, open_folder, unprivileged

KEY = "raw-data/2026-11-20-batch-0.parquet"
FOLDERS = ("", "state", "raw-data", "symbols", "silver")
COMMANDS = (["status"], ["query", "FROM bars"], ["check"], ["history"], ["consolidate"])


@pytest.fixture
def lake() -> Iterator[Path]:
    """Return the folder of a lake that has every folder, and belongs to the unprivileged user."""
    with open_folder() as folder:
        store = open_store(str(folder / "lake"))
        store.put(MARKER, b'{"market": "ASX"}', replaces=None)
        for name in FOLDERS[1:]:
            store.put(f"{name}/x", b"", replaces=None)
        give_away(folder)
        yield folder / "lake"


def calls(store: Store) -> dict[str, Callable[[], object]]:
    return {
        "get": lambda: store.get(KEY),
        "list": lambda: store.list("raw-data/"),
        "put": lambda: store.put(KEY, b"", replaces=None),
        "delete": lambda: store.delete([KEY, "state/x"]),
    }


def assert_refused(call: Callable[[], object], *words: str) -> None:
    with pytest.raises(LakeError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


# A folder


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("mode", [0o000, 0o666, 0o333], ids=["nothing", "no search", "no list"])
def test_a_folder_without_permission_is_an_error(name: str, mode: int, lake: Path, injected: Injected) -> None:
    (lake / name).chmod(mode)
    with unprivileged():
        assert_refused(lambda: connect(lake), "Permission denied", str(lake))
        assert_refused(lambda: Lake(str(lake)).store.list(""), "Permission denied", str(lake / name))
        for command in COMMANDS[:2] if mode == 0 else ():
            assert_one_error(run_cli(*command, "--lake", str(lake)), 1, "Permission denied", str(lake))
    injected("connect, list, query, status", f"folder: {name or 'the lake'}", f"mode {mode:o}")


@pytest.mark.parametrize("name", FOLDERS[1:])
def test_a_file_instead_of_a_folder_is_an_error(name: str, lake: Path, injected: Injected) -> None:
    for path in (lake / name).iterdir():
        path.unlink()
    (lake / name).rmdir()
    (lake / name).write_bytes(b"")
    assert_refused(lambda: connect(lake), "a file instead of a folder", str(lake / name))
    store = open_store(str(lake))
    for call in (lambda: store.list(name), lambda: store.get(f"{name}/x")):
        assert_refused(call, "Not a directory", str(lake / name))
    for command in COMMANDS[:2]:
        assert_one_error(run_cli(*command, "--lake", str(lake)), 1, str(lake / name))
    injected("connect, list, query, status", f"folder: {name}", "a file instead of a folder")


def test_a_lake_below_a_folder_without_permission_is_an_error(lake: Path) -> None:
    lake.parent.chmod(0)
    with unprivileged():
        for command in COMMANDS:
            assert_one_error(run_cli(*command, "--lake", str(lake)), 1, "Permission denied", str(lake))


# S3


@pytest.fixture
def endpoint(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that points the environment at another server."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # the SDK's waits between its attempts
    return lambda url: monkeypatch.setenv("AWS_ENDPOINT_URL", url)


@pytest.mark.parametrize("page", [PORTAL, XHTML, b"Please log in first", b""], ids=["html", "xhtml", "text", "empty"])
def test_a_page_with_status_200_is_an_error(page: bytes, endpoint: Callable[[str], None], injected: Injected) -> None:
    with answering(200, page) as url:
        endpoint(url)
        store = open_store("s3://bucket/lake")
        for name, call in calls(store).items():
            assert_refused(call, "s3://bucket/lake", "what answered is not S3")
            injected(name, "s3: any request", f"a page of a portal with status 200: {page!r}")
        assert_refused(lambda: store.get(KEY), "HTTP 200", "log in" if page else "an empty page")
        assert_refused(lambda: connect("s3://bucket/lake"), "what answered is not S3")
        for command in COMMANDS if page is PORTAL else COMMANDS[:1]:
            assert_one_error(run_cli(*command, "--lake", "s3://bucket/lake"), 1, "what answered is not S3")


def test_a_page_with_an_etag_is_an_error_too(endpoint: Callable[[str], None]) -> None:
    with answering(200, PORTAL, ETag='"0123"', Date="Fri, 20 Nov 2026 00:00:00 GMT") as url:
        endpoint(url)
        for call in calls(open_store("s3://bucket/lake")).values():
            assert_refused(call, "what answered is not S3")


@pytest.mark.parametrize("status", [302, 403, 404, 407, 502])
def test_an_error_of_a_proxy_is_readable(status: int, endpoint: Callable[[str], None], injected: Injected) -> None:
    """Status and beginning of the page, instead of an empty code; S3 itself answers no redirect without a body."""
    for page in (PORTAL, XHTML, b"Please log in", *([b""] if status == 302 else [])):
        with answering(status, page) as url:
            endpoint(url)
            for name, call in calls(open_store("s3://bucket/lake")).items():
                assert_refused(call, f"HTTP {status}", "log in" if page else "an empty page")
                injected(name, "s3: any request", f"HTTP {status} of a proxy: {page!r}")


def breaking_off(server: S3Server, times: int) -> Callable[..., Any]:
    """Return an application that resets the connection in the middle of the first bodies of objects."""
    whole: Any = server._server.app
    left = [times]

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] != "GET" or "/raw-data/" not in environ["PATH_INFO"] or not left[0]:
            return whole(environ, start_response)
        left[0] -= 1
        body = b"".join(whole(environ, start_response))

        def parts() -> Iterator[bytes]:
            yield body[: len(body) // 2]
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            yield b""

        return parts()

    return app


@pytest.mark.parametrize("times", [1, 3])
def test_a_body_that_is_reset_is_read_again(
    times: int, s3: S3Server, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    store = open_store(f"s3://{s3.new_bucket()}/lake")
    data = bytes(range(256)) * 4096
    store.put(KEY, data, replaces=None)
    monkeypatch.setattr(s3._server, "app", breaking_off(s3, times))
    stored = store.get(KEY)
    assert stored is not None
    assert stored.data == data
    injected("get", "s3: the body", f"reset {times} times")


def test_a_body_that_is_always_reset_is_an_error(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"s3://{s3.new_bucket()}/lake")
    store.put(KEY, bytes(100_000), replaces=None)
    monkeypatch.setattr(s3._server, "app", breaking_off(s3, 100))
    assert_refused(lambda: store.get(KEY), KEY)


def test_a_lake_without_objects_is_still_no_lake(s3: S3Server) -> None:
    with pytest.warns(LakeWarning, match="is no lake"):
        connect(f"s3://{s3.new_bucket()}/lake")
