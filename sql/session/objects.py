"""Read the objects of a lake on S3 from Python: whole, by range, and their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stockstream.sql.errors import LakeError
from stockstream.sql.session.damage import REPAIR
from stockstream.sql.session.explanations import explain

ATTEMPTS = 4
CONNECTIONS = 32


@dataclass(frozen=True)
class Object:
    """An object as it was read: its bytes, and when it was put, by the clock of S3."""

    data: bytes
    put_at: datetime
    size: int
    """The number of bytes of the whole object."""


class Objects:
    """The objects below s3://bucket/prefix, with the credentials and the endpoint that boto3 finds; for any thread."""

    def __init__(self, lake: str, region: str) -> None:
        import boto3  # takes a third of a second, which a lake in a folder does not need
        from botocore.config import Config

        self.lake = lake
        self.bucket, _, prefix = lake.removeprefix("s3://").partition("/")
        self.prefix = f"{prefix}/" if prefix else ""
        retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
        config = Config(retries=retries, max_pool_connections=CONNECTIONS)
        with self._explained():
            self._client: Any = boto3.client("s3", region_name=region, config=config)

    def get(self, key: str) -> Object | None:
        """Return an object; None if there is none.

        Raises:
            LakeError: S3 refuses, or does not answer.
        """
        return self._get(key)

    def part(self, key: str, start: int, length: int, size: int) -> bytes:
        """Return a range of the bytes of an object that had `size` bytes when it was published.

        Raises:
            LakeError: there is no such object, or it has another size, or S3 refuses or does not answer.
        """
        try:
            part = self._get(key, Range=f"bytes={start}-{start + length - 1}")
        except EOFError:
            raise LakeError(f"cannot read {self.lake}/{key}: it is cut: {REPAIR}") from None
        if part is None:
            raise LakeError(f"cannot read {self.lake}/{key}: it is gone: connect again, or {REPAIR}")
        if part.size != size or len(part.data) != length:
            raise LakeError(f"cannot read {self.lake}/{key}: it has {part.size} bytes instead of {size}: {REPAIR}")
        return part.data

    def list(self, folder: str, after: str = "") -> dict[str, datetime]:
        """Return when each object below a folder was put, by key; only keys that sort after `after`, if there is one.

        Raises:
            LakeError: S3 refuses, or does not answer.
        """
        start = {"StartAfter": self.prefix + after} if after else {}
        with self._explained():
            pages = self._client.get_paginator("list_objects_v2")
            listed = pages.paginate(Bucket=self.bucket, Prefix=self.prefix + folder, **start)
            items = (item for page in listed for item in page.get("Contents", []))
            return {item["Key"][len(self.prefix) :]: item["LastModified"] for item in items}

    def _get(self, key: str, **options: str) -> Object | None:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._explained():
                    answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + key, **options)
            except KeyError:
                return None
            try:  # boto3 has retried until the headers arrived, not for the body
                data = answer["Body"].read()
                if "LastModified" not in answer:
                    raise LakeError(
                        f"cannot read {self.lake}/{key}: what answered is not S3: check the network, the proxy and "
                        "AWS_ENDPOINT_URL"
                    )
                size = answer["ContentRange"].rpartition("/")[2] if "ContentRange" in answer else len(data)
                return Object(data, answer["LastModified"], int(size))
            except (BotoCoreError, HTTPError, OSError) as error:
                if attempt == ATTEMPTS:
                    raise explain(error, self.lake) from None
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of boto3 into an error of one line.

        KeyError means that there is no such object, EOFError that it ends before a range.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                raise KeyError from None
            if error.response.get("Error", {}).get("Code") == "InvalidRange":
                raise EOFError from None
            raise explain(error, self.lake) from None
        except (BotoCoreError, ValueError) as error:  # ValueError: the endpoint is no URL
            raise explain(error, self.lake) from None
