"""A lake on S3, or on any server with the same protocol and conditional writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError, NoCredentialsError
from botocore.parsers import ResponseParserError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from stockstream.pipeline.errors import Conflict, LakeError, NoLake
from stockstream.pipeline.store.answers import NotS3, check_answer, check_listing
from stockstream.pipeline.store.base import Listed, Stored, opened

# 412: the condition does not hold; 409: another conditional write of this key is in progress, with the same outcome.
_LOST = {409, 412}
_PER_DELETE = 1000
_ATTEMPTS = 5
_ADVICE = {
    "InvalidAccessKeyId": "S3 does not know the access key: check the AWS credentials in use",
    "SignatureDoesNotMatch": "the secret access key is wrong: check the AWS credentials in use",
    "ExpiredToken": "the AWS credentials have expired: log in again",
    "InvalidToken": "the AWS session token is wrong: check the AWS credentials in use, or log in again",
    "AccessDenied": "access denied: check the AWS credentials in use and what they may do",
    "NoSuchBucket": "there is no such bucket",
}


class _NoObject(Exception):
    """There is no object with this key."""


class _BodyLost(Exception):
    """The connection ended in the middle of an object."""


_CHUNK = 1 << 20
"""Bytes of a large object that are read at a time."""
_again_if_body_is_lost = retry(
    retry=retry_if_exception_type(_BodyLost),
    stop=stop_after_attempt(_ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.1, max=10),
    reraise=True,
)
"""Read an object again if its body breaks off, as the SDK's retries end with the headers."""


class S3Store:
    """Objects below s3://bucket/prefix, replaced by conditional puts."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.bucket, _, prefix = root.removeprefix("s3://").partition("/")
        self.prefix = f"{prefix}/" if prefix else ""
        # The SDK retries: a conditional put that is sent again can succeed only once, see put().
        self._client: Any = boto3.client(
            "s3", config=Config(retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
        )
        # By two wildcards, which botocore calls before its handler that makes a page with status 200 an error 500.
        self._client.meta.events.register("before-parse.*.*", check_answer)

    def uri(self, key: str) -> str:
        """Return the s3:// URI of the object."""
        return f"{self.root}/{key}"

    def list(self, prefix: str) -> dict[str, Listed]:
        """Return the objects below a prefix; their age is relative to the server's clock at the time of its answer."""
        objects = {}
        with self._explained(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}"):
                check_listing(page)
                now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
                for item in page.get("Contents", []):
                    listed = Listed(item["ETag"], item["Size"], now - item["LastModified"])
                    objects[item["Key"][len(self.prefix) :]] = listed
        return dict(sorted(objects.items()))

    def litter(self) -> dict[str, Listed]:
        """Return nothing: an interrupted put leaves nothing behind."""
        return {}

    def get(self, key: str) -> Stored | None:
        """Return an object."""
        try:
            with self._explained(key):
                return self._read(key)
        except _NoObject:
            return None

    def digest(self, key: str) -> tuple[int, str] | None:
        """Return the size and the SHA-256 of an object."""
        try:
            with self._explained(key):
                return self._digest(key)
        except _NoObject:
            return None

    def part(self, key: str, start: int, length: int) -> bytes:
        """Return a range of an object."""
        with self._explained(key):
            return self._read(key, Range=f"bytes={start}-{start + length - 1}").data

    @_again_if_body_is_lost
    def _read(self, key: str, **options: str) -> Stored:
        """Return an object."""
        answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + key, **options)
        try:
            return Stored(answer["Body"].read(), answer["ETag"])
        except (HTTPClientError, IncompleteReadError) as error:
            raise _BodyLost(str(error)) from None

    @_again_if_body_is_lost
    def _digest(self, key: str) -> tuple[int, str]:
        """Return the size and the SHA-256 of an object."""
        body, size, checksum = self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"], 0, sha256()
        try:
            for chunk in body.iter_chunks(_CHUNK):
                size += len(chunk)
                checksum.update(chunk)
        except (HTTPClientError, IncompleteReadError) as error:
            raise _BodyLost(str(error)) from None
        return size, checksum.hexdigest()

    def put(self, key: str, data: bytes | Path, replaces: Stored | None) -> None:
        """Write an object if it does not exist yet, or still has the version that was read."""
        condition = {"IfMatch": replaces.etag} if replaces else {"IfNoneMatch": "*"}
        try:
            with opened(data) as body, self._explained(key):
                self._client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=body, **condition)
        except _NoObject:
            raise Conflict(f"{self.uri(key)} was deleted in the meantime") from None
        except Conflict:
            # The SDK sends a put again if its answer was lost, and the second one then conflicts with the first.
            stored = self.digest(key)
            with opened(data) as body:
                if stored is None or stored[1] != file_digest(body, "sha256").hexdigest():
                    raise

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, a thousand per request."""
        names = [{"Key": self.prefix + key} for key in keys]
        for at in range(0, len(names), _PER_DELETE):
            part = names[at : at + _PER_DELETE]
            with self._explained(""):
                answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": part})
                if len(answer.get("Deleted", [])) + len(answer.get("Errors", [])) < len(part):
                    raise NotS3("an answer that does not name the deleted objects")
            for error in answer.get("Errors", []):
                reason = _ADVICE.get(error["Code"], error.get("Message", error["Code"]))
                raise LakeError(f"cannot delete s3://{self.bucket}/{error['Key']}: {reason}")

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Turn an error of boto3 into an error of one line; _NoObject if there is no such object."""
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if code == "NoSuchKey":
                raise _NoObject from None
            if status in _LOST:
                raise Conflict(f"{self.uri(key)} was written by another run in the meantime") from None
            error_type = NoLake if code == "NoSuchBucket" else LakeError
            page = error.response.get("Page")
            reason = f"a page of a proxy or a portal answered ({page})" if page else _ADVICE.get(code, error)
            raise error_type(f"cannot use {self.uri(key)}: {reason}") from None
        except NotS3 as error:
            raise LakeError(
                f"cannot use {self.uri(key)}: what answered is not S3 ({error}): check the network, the proxy and "
                "AWS_ENDPOINT_URL"
            ) from None
        except NoCredentialsError:
            raise LakeError(
                f"cannot use {self.root}: no AWS credentials found: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or log in"
            ) from None
        except (BotoCoreError, ResponseParserError, _BodyLost) as error:
            raise LakeError(f"cannot use {self.uri(key)}: {error}") from None
