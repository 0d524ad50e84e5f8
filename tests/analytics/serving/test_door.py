"""Who may ask for what: keys, scopes, the number of requests, and the names of the server."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.analytics.serving.server import Server, start
from tests.analytics.test_cli import run_cli


def make_key(name: str, scopes: str) -> tuple[str, str]:
    """Return a new key and its line."""
    told = json.loads(run_cli("serve", "--new-key", name, "--scopes", scopes, "--json").out)
    return told["key"], told["line"]


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[str, str]]:
    return {"anna": make_key("anna", "read,live"), "live": make_key("live", "live")}


@pytest.fixture(scope="module")
def guarded(lake: str, keys: dict[str, tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two keys, which lets a caller send three requests."""
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    file.write_text("# the keys\n\n" + "\n".join(line for _, line in keys.values()) + "\n")
    started = start(lake, "--keys", str(file), "--rate", "0.01", "--burst", "3")
    yield started
    started.stop()


def test_keys_scopes_and_the_number_of_requests(guarded: Server, keys: dict[str, tuple[str, str]]) -> None:
    anna, live = (keys[name][0] for name in ("anna", "live"))
    assert guarded.get("/v1/bars/IBM").status_code == 401
    assert guarded.get("/v1/bars/IBM", **{"X-API-Key": "wrong"}).headers["www-authenticate"] == "Bearer"
    assert guarded.get("/v1/bars/IBM", Authorization=f"Bearer {anna}").status_code == 200
    assert guarded.get("/metrics").status_code == 401
    assert guarded.get("/health").json()["status"] == "ok"
    assert "scope read" in guarded.get("/v1/bars/IBM", Authorization=f"Bearer {live}").json()["detail"]
    assert guarded.get("/v1/status", **{"X-API-Key": anna}).status_code == 200
    assert guarded.get("/v1/status", **{"X-API-Key": anna}).status_code == 200
    answer = guarded.get("/v1/status", **{"X-API-Key": anna})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 101


def test_the_log_names_the_key_and_never_shows_it(lake: str, keys: dict[str, tuple[str, str]], tmp_path: Path) -> None:
    key, line = keys["anna"]
    (tmp_path / "keys").write_text(line)
    started = start(lake, "--keys", str(tmp_path / "keys"), LOG_LEVEL="DEBUG")
    assert started.get("/v1/status", **{"X-API-Key": key}).status_code == 200
    assert started.get("/v1/bars/IBM?start=x", Authorization=f"Bearer {key}").status_code == 422
    code, log = started.stop(signal.SIGTERM)
    assert code == 143
    entries = [json.loads(entry) for entry in log.splitlines()]
    noted = [entry for entry in entries if entry["logger"] == "stockstream.access"]
    assert [(entry["key"], entry["path"], entry["status"]) for entry in noted] == [
        ("anna", "/v1/status", 200),
        ("anna", "/v1/bars/IBM", 422),
    ]
    assert key not in log
    assert line.split(":")[1] not in log


def test_a_foreign_name_of_the_server_is_refused(server: Server, lake: str) -> None:
    port = server.address.rsplit(":", 1)[1]
    assert server.get("/v1/status", Host="evil.example").status_code == 421
    assert server.get("/v1/status", Host=f"localhost:{port}").status_code == 200
    assert server.get("/v1/status", Host=f"LOCALHOST:{port}").status_code == 200
    named = start(lake, "--allow-host", "Lake.example")
    assert named.get("/v1/status", Host="lake.example").status_code == 200
    assert named.get("/v1/status", Host="lake.example.evil.example").status_code == 421
    assert named.stop()[0] == 130


CORS = ("--allow-origin", "https://site.example", "--allow-origin", "http://localhost:3000")


def test_pages_of_named_sites_may_read_with_a_key(lake: str, keys: dict[str, tuple[str, str]], tmp_path: Path) -> None:
    key, line = keys["anna"]
    (tmp_path / "keys").write_text(line)
    shared = start(lake, "--keys", str(tmp_path / "keys"), *CORS)

    def asked(origin: str, method: str = "GET", path: str = "/v1/status") -> requests.Response:
        """Return the answer to a preflight request."""
        headers = {"Origin": origin, "Access-Control-Request-Method": method}
        headers["Access-Control-Request-Headers"] = "authorization"
        return requests.options(shared.address + path, headers=headers, timeout=60)

    for origin in ("https://site.example", "http://localhost:3000"):
        answer = asked(origin)
        assert answer.ok
        assert answer.headers["access-control-allow-origin"] == origin
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        rows = shared.get("/v1/bars/IBM", Origin=origin, Authorization=f"Bearer {key}")
        assert rows.headers["access-control-allow-origin"] == origin
        assert "X-Next-Page-Token" in rows.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in rows.headers
        assert {"Accept", "Origin"} <= {name.strip() for name in rows.headers["vary"].split(",")}
        refused = shared.get("/v1/status", Origin=origin)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == origin, "a script may read why"
    others = ("https://evil.example", "https://site.example.evil.example", "http://site.example", "null")
    assert not [origin for origin in others if asked(origin).ok]
    assert not asked("https://site.example", "POST").ok
    assert "access-control-allow-origin" not in asked("https://site.example", path="/signals").headers
    plain = shared.get("/v1/status", Authorization=f"Bearer {key}")
    assert plain.headers["vary"] == "Origin"
    assert plain.headers["cache-control"].startswith("private"), "a shared cache would serve it to others"
    pinned = shared.get(f"/v1/@{shared.generation}/symbols", Authorization=f"Bearer {key}")
    assert pinned.headers["cache-control"] == "private, max-age=31536000, immutable"
    shared.stop()


@pytest.mark.parametrize("origin", ["*", "http://site.example", "https://site.example/", "https://*.example", "null"])
def test_an_origin_that_is_none(lake: str, origin: str) -> None:
    ended = run_cli("serve", "--lake", lake, "--allow-origin", origin)
    assert ended.code == 2
    assert f"--allow-origin {origin}:" in ended.err
    assert run_cli("serve", "--lake", lake, "--allow-origin", "https://a.example").code == 2


def test_no_page_of_another_origin_may_use_the_answers(server: Server) -> None:
    headers = server.get("/v1/status", Origin="https://evil.example").headers
    assert "access-control-allow-origin" not in headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_without_keys_only_this_machine_is_served(lake: str, host: str) -> None:
    ended = run_cli("serve", "--lake", lake, "--host", host)
    assert ended.code == 2
    assert "--keys" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no key in it"),
        ("anna:secret:read", "line 1"),
        (f"anna:{'a' * 64}:read\nanna:{'b' * 64}:read", "line 2: there are two keys called anna"),
        (f"anna:{'a' * 64}:raed", "did you mean read?"),
        (None, "No such file"),
    ],
)
def test_a_file_of_keys_that_is_wrong(lake: str, tmp_path: Path, text: str | None, problem: str) -> None:
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    ended = run_cli("serve", "--lake", lake, "--keys", str(file))
    assert ended.code == 2
    assert problem in ended.err
    assert "secret" not in ended.err


def test_a_port_in_use(lake: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run_cli("serve", "--lake", lake, "--port", str(taken.getsockname()[1]))
    assert ended.code == 1
    assert "--port" in ended.err
    assert "Traceback" not in ended.err


def test_no_lake_and_no_generation(tmp_path: Path) -> None:
    ended = run_cli("serve", "--lake", str(tmp_path / "none"))
    assert ended.code == 2
    assert "no lake" in ended.err
