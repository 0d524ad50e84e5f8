"""Requests that change something: only pages of the server send them, with the token of a page."""

from __future__ import annotations

import re
import socket

import pytest
import requests

from tests.analytics.serving.server import Server

PASSED = 405
"""What is answered to a request that passed: no endpoint at this address changes anything."""
OTHERS = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://{host}"},
    {"Origin": "http://{host}.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Referer": "https://evil.example/http://{host}/"},
]


def token(server: Server) -> str:
    """Return the token of a page."""
    [value] = re.findall('<meta name="token" content="([^"]+)">', server.get("/signals", "text/html").text)
    return value


def post(server: Server, data: object = None, method: str = "POST", **headers: str) -> requests.Response:
    """Return the answer to a request that changes something; {host} is the server's name and port."""
    host = server.address.removeprefix("http://")
    sent = {name.replace("_", "-"): value.replace("{host}", host) for name, value in headers.items()}
    return requests.request(method, f"{server.address}/v1/status", data=data, headers=sent, timeout=60)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_page_of_the_server_may_change_something(server: Server, method: str) -> None:
    own = {"Origin": server.address}
    assert post(server, method=method, **own).status_code == 403
    assert post(server, {"token": token(server), "x": "ü"}, method, **own).status_code == PASSED
    assert post(server, method=method, **own, **{"X-CSRF-Token": token(server)}).status_code == PASSED
    assert post(server, {"token": "x.y"}, method, **own).status_code == 403


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Referer": "http://{host}/signals"}, {}])
def test_other_signs_of_a_page_of_the_server(server: Server, headers: dict[str, str]) -> None:
    assert post(server, {"token": token(server)}, **headers).status_code == PASSED
    assert "it has no token" in post(server, **headers).json()["detail"]


@pytest.mark.parametrize("headers", OTHERS)
def test_a_page_of_another_site_may_not(server: Server, headers: dict[str, str]) -> None:
    answer = post(server, {"token": token(server)}, **headers)
    assert answer.status_code == 403
    assert "another site" in answer.json()["detail"]


def test_a_header_that_no_browser_adds_needs_no_token(server: Server) -> None:
    assert post(server, **{"X-API-Key": "none"}).status_code == PASSED
    assert post(server, Authorization="Bearer none").status_code == PASSED
    assert post(server, Authorization="Basic YTpi").status_code == 403
    preflight = server.address + "/v1/status"
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = requests.options(preflight, headers=asked, timeout=60)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_token_is_different_on_every_page_and_a_changed_one_is_refused(server: Server) -> None:
    first, second = token(server), token(server)
    assert first != second
    payload, signature = first.split(".")
    own = {"Origin": server.address}
    assert post(server, {"token": f"{payload}.{second.split('.')[1]}"}, **own).status_code == 403
    assert post(server, {"token": f"{payload[:-1]}.{signature}"}, **own).status_code == 403
    assert post(server, {"token": first + "é"}, **own).status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [("x" * 65_537, 413, "65,536"), ("token=%ff", 422, "no form"), ("a=1&" * 300, 422, "200 fields")],
)
def test_a_body_that_is_no_form(server: Server, body: str, status: int, text: str) -> None:
    answer = post(server, body, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == status
    assert text in answer.json()["detail"]


def test_a_websocket_of_a_page_of_another_site_is_refused(server: Server) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    for origin, is_refused in (("https://evil.example", True), (server.address, False)):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            head = f"GET /v1/none HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {origin}\r\n"
            connection.sendall(f"{head}Connection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n".encode())
            answer = b"".join(iter(lambda connected=connection: connected.recv(65_536), b""))  # type: ignore[misc]
        assert (b"of another site" in answer) is is_refused
