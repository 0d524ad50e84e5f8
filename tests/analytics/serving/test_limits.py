"""Limits of a request, over real connections: sizes, slowness, and how many a caller has at once."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.analytics.serving.server import Server, start


@contextlib.contextmanager
def connected(server: Server, *parts: str) -> Iterator[socket.socket]:
    """Open a connection, and send something on it."""
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        for part in parts:
            connection.sendall(part.replace("HOST", f"Host: {host}:{port}").encode())
        yield connection


def received(connection: socket.socket) -> str:
    """Return what arrives until the server ends the connection."""
    parts = []
    with contextlib.suppress(ConnectionResetError):  # it had not read all that was sent
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts).decode()


def answered(server: Server, *parts: str) -> str:
    """Return the answer to a request."""
    with connected(server, *parts) as connection:
        return received(connection)


GET = "GET /v1/status{query} HTTP/1.1\r\nHOST\r\nConnection: close\r\n{headers}\r\n"


def get(query: str = "", headers: str = "") -> str:
    return GET.format(query=query, headers=headers)


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        (get("?x=" + "1" * 8_200), 414, "at most 8,192"),
        (get("", "".join(f"X-{n}: 1\r\n" for n in range(100))), 431, "more than 100"),
        (get("", f"Cookie: {'x' * 33_000}\r\n"), 431, "32,768 bytes"),
        (get("", "Host: b\r\n"), 400, "one header Host"),
        (get().replace("HOST", "Host: ["), 400, "one header Host"),
        (get().replace("HOST\r\n", ""), 400, ""),
        ("POST /v1/status HTTP/1.1\r\nHOST\r\nContent-Length: 99999999999\r\n\r\n", 413, "65,536"),
        (
            "POST /v1/status HTTP/1.1\r\nHOST\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "2000\r\n{}\r\n".format("x" * 0x2000) * 9,
            413,
            "65,536",
        ),
        ("GARBAGE\r\n\r\n", 400, "Invalid HTTP request"),
        ("GET http://evil.example/v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421, "Host"),
    ],
)
def test_a_request_that_is_too_large_or_none(server: Server, request_: str, status: int, text: str) -> None:
    answer = answered(server, request_)
    assert int(answer.split()[1]) == status
    assert text in answer


def test_a_head_without_an_end_is_not_kept(server: Server) -> None:
    headers = ("X-Header: " + "x" * 10_000 + "\r\n") * 10_000
    with pytest.raises(ConnectionError), connected(server, "GET /v1/status HTTP/1.1\r\nHOST\r\n", headers):
        pass
    assert answered(server, "GET /v1/status HTTP/1.1\r\nHOST\r\nX: " + "x" * 70_000).startswith("HTTP/1.1 431 ")
    assert answered(server, get()).startswith("HTTP/1.1 200 ")


def test_a_connection_serves_several_requests_also_at_once(server: Server) -> None:
    with connected(server, get().replace("Connection: close\r\n", "") * 3, get()) as connection:
        assert received(connection).count("HTTP/1.1 200 ") == 4


@pytest.mark.slow
def test_slow_requests_end(server: Server) -> None:
    slow = [
        "",
        "GET /v1/status HT",
        "POST /v1/status HTTP/1.1\r\nHOST\r\nContent-Length: 10\r\n\r\nabc",
        "GET /v1/status HTTP/1.1\r\nHOST\r\nContent-Length: 10\r\n\r\nabc",
        get().replace("Connection: close\r\n", "") + "GET /v1/sta",
        get().replace("Connection: close\r\n", ""),
    ]
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connected(server, text)) for text in slow]
        answers = [received(connection) for connection in connections]  # each ends, or recv raises
    assert [answer.split()[1:2] for answer in answers] == [[], [], ["408"], ["200"], ["200"], ["200"]]
    assert "did not arrive in 10 s" in answers[2]


def test_a_caller_has_so_many_requests_at_once(lake: str) -> None:
    server = start(lake, "--at-once", "2", "--rate", "100000", "--burst", "100000")
    pending = "POST /v1/status HTTP/1.1\r\nHOST\r\nX-API-Key: none\r\nContent-Length: 10\r\n\r\n"
    with connected(server, pending), connected(server, pending):
        while (answer := server.get("/v1/status")).status_code == 200:
            pass
        assert answer.status_code == 429
        assert "more than 2 requests at once" in answer.json()["detail"]
        assert server.get("/health").status_code == 200
    while server.get("/v1/status").status_code == 429:
        pass
    assert server.stop()[0] == 130
