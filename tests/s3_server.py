"""A server of the S3 protocol on loopback (moto), which records the requests."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
from moto import backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "ap-southeast-2"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
}


SERVICES = tuple(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: SERVICES
"""moto lists its folder for every request, which takes half of the time of an answer."""


@dataclass(frozen=True)
class Request:
    """One request; `sent` is the number of bytes in the body of the answer."""

    method: str
    path: str
    query: str
    status: int
    sent: int
    access_key: str
    """The access key that signed the request; empty if none did."""


class Quiet(WSGIRequestHandler):
    """Do not log requests: `S3Server.requests` has them."""

    def log_request(self, *_: object) -> None:
        pass


_names = itertools.count()
"""Of new buckets: the servers of one process share them."""


class S3Server:
    """Start with `with S3Server() as s3`; `s3.environment` points boto3 and DuckDB at it."""

    def __init__(self, around: Callable[[Any], Any] = lambda app: app) -> None:
        """Prepare the server; `around` returns its WSGI application with faults."""
        self.requests: list[Request] = []
        self._server = make_server(
            "127.0.0.1",
            0,
            self._counted(around(DomainDispatcherApplication(create_backend_app))),
            threaded=True,
            request_handler=Quiet,
        )
        self.url = f"http://127.0.0.1:{self._server.port}"
        self.environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def __enter__(self) -> S3Server:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def new_bucket(self) -> str:
        """Create an empty bucket and return its name."""
        name = f"lake-{next(_names)}"
        self._backend.create_bucket(name, REGION)  # without a request, which takes a fiftieth of a second
        return name

    def objects(self, lake: str) -> dict[str, bytes]:
        """Return all objects of s3://bucket/prefix by key below the prefix, without a request."""
        return {key: stored.value for key, stored in self._stored(lake)}

    def fill(self, lake: str, objects: Mapping[str, bytes]) -> None:
        """Put objects into s3://bucket/prefix, without a request."""
        bucket, _, prefix = lake.removeprefix("s3://").partition("/")
        for key, data in objects.items():
            self._backend.put_object(bucket, f"{prefix}/{key}" if prefix else key, data)

    def age(self, lake: str, days: float) -> None:
        """Make all objects of s3://bucket/prefix older by a number of days."""
        for _, stored in self._stored(lake):
            stored.last_modified -= timedelta(days=days)

    def _stored(self, lake: str) -> list[tuple[str, Any]]:
        bucket, _, prefix = lake.removeprefix("s3://").partition("/")
        keys = list(self._backend.buckets[bucket].keys.items())
        start = f"{prefix}/" if prefix else ""
        return [(key[len(start) :], stored) for key, stored in keys if key.startswith(start)]

    @property
    def _backend(self) -> Any:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]

    @contextmanager
    def counted(self) -> Iterator[list[Request]]:
        """Return a list that holds, after the block, the requests that arrived during it."""
        before = len(self.requests)
        requests: list[Request] = []
        yield requests
        requests.extend(self.requests[before:])

    def _counted(self, app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        def counting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            status: list[str] = []

            def started(line: str, headers: Any, *rest: Any) -> Any:
                status.append(line)
                return start_response(line, headers, *rest)

            body = b"".join(app(environ, started))
            sent = 0 if environ["REQUEST_METHOD"] == "HEAD" else len(body)
            signed = re.search(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
            self.requests.append(
                Request(
                    environ["REQUEST_METHOD"],
                    environ["PATH_INFO"],
                    environ["QUERY_STRING"],
                    int(status[0][:3]),
                    sent,
                    signed[1] if signed else "",
                )
            )
            return [body]

        return counting
