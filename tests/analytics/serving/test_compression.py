"""Compressed answers: the same content, another ETag, and only where it is accepted and useful."""

from __future__ import annotations

import gzip
import re
from http.client import HTTPConnection
from urllib.parse import urlparse

import pytest

from tests.analytics.serving.server import Server

ARROW = "application/vnd.apache.arrow.stream"


def raw(server: Server, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer as they are sent."""
    connection = HTTPConnection(urlparse(server.address).netloc, timeout=60)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    sent = {name.lower(): value for name, value in answer.getheaders()}
    body = answer.read()
    connection.close()
    return answer.status, sent, body


@pytest.mark.parametrize("path", ["/", "/v1/bars/IBM?limit=500", "/v1/openapi.json", "ASSET"])
def test_the_content_is_the_same_under_another_etag(server: Server, path: str) -> None:
    if path == "ASSET":
        [path] = re.findall(r'href="(/assets/[^"]+report\.css)"', server.get("/").text)
    _, plain, body = raw(server, path)
    _, packed, small = raw(server, path, Accept_Encoding="br, gzip")
    assert "content-encoding" not in plain
    assert packed["content-encoding"] == "gzip"
    assert int(packed["content-length"]) == len(small) < len(body) / 2
    for headers in (plain, packed):
        assert "Accept-Encoding" in headers["vary"]
    unpacked = gzip.decompress(small)
    token = re.compile(rb'name="token" content="[^"]*"')
    assert token.sub(b"", unpacked) == token.sub(b"", body)
    if "etag" in plain:
        assert packed["etag"] == plain["etag"][:-1] + '+gzip"'
        for tag, encoding in ((plain["etag"], ""), (packed["etag"], "gzip")):
            status, headers, nothing = raw(server, path, Accept_Encoding=encoding, If_None_Match=tag)
            assert (status, headers["etag"], nothing) == (304, tag, b"")


@pytest.mark.parametrize("encoding", ["identity", "gzip;q=0", "br", "*;q=0, gzip;q=0"])
def test_what_is_not_accepted_is_not_sent(server: Server, encoding: str) -> None:
    _, headers, _ = raw(server, "/v1/bars/IBM?limit=500", Accept_Encoding=encoding)
    assert "content-encoding" not in headers


def test_arrow_and_small_answers_are_sent_as_they_are(server: Server) -> None:
    for path, accept in (("/v1/bars/IBM?limit=500", ARROW), ("/health", "*/*")):
        _, headers, body = raw(server, path, Accept=accept, Accept_Encoding="gzip")
        assert "content-encoding" not in headers
        assert int(headers["content-length"]) == len(body)
        assert "+gzip" not in headers.get("etag", "")
