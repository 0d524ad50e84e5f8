"""A lake on S3, or on any server that speaks its protocol with conditional writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from stockstream.pipeline.errors import Conflict, LakeError
from stockstream.pipeline.store.base import Listed, Stored

# 412: the condition does not hold; 409: another conditional write of this key is under way, which comes to the same.
_LOST = {409, 412}
_PER_DELETE = 1000
_ADVICE = {
    "InvalidAccessKeyId": "S3 does not know the access key: check the AWS credentials in use",
    "SignatureDoesNotMatch": "the secret access key is wrong: check the AWS credentials in use",
    "ExpiredToken": "the AWS credentials have expired: log in again",
    "InvalidToken": "the AWS session token is wrong: check the AWS credentials in use, or log in again",
    "AccessDenied": "access denied: check the AWS credentials in use and what they may do",
    "NoSuchBucket": "there is no such bucket",
}


class S3Store:
    """Objects below s3://bucket/prefix, published by conditional put."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.bucket, _, prefix = root.removeprefix("s3://").partition("/")
        self.prefix = f"{prefix}/" if prefix else ""
        # Retries are the SDK's: a conditional put that is sent again can only win once, see put().
        self._client: Any = boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 5}))

    def uri(self, key: str) -> str:
        """Give the object's s3:// URI."""
        return f"{self.root}/{key}"

    def list(self, prefix: str) -> dict[str, Listed]:
        """Give the objects below a prefix; their age is as of the answer, by the clock of who gives it."""
        found = {}
        with self._explained(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}"):
                now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
                for item in page.get("Contents", []):
                    listed = Listed(item["ETag"], item["Size"], now - item["LastModified"])
                    found[item["Key"][len(self.prefix) :]] = listed
        return dict(sorted(found.items()))

    def litter(self) -> dict[str, Listed]:
        """Give nothing: a put that was cut off leaves nothing behind."""
        return {}

    def get(self, key: str) -> Stored | None:
        """Read an object."""
        try:
            with self._explained(key):
                answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)
                return Stored(answer["Body"].read(), answer["ETag"])
        except KeyError:
            return None

    def put(self, key: str, data: bytes, replaces: Stored | None) -> None:
        """Write an object if it is not there yet, or is still the version that was read."""
        condition = {"IfMatch": replaces.etag} if replaces else {"IfNoneMatch": "*"}
        try:
            with self._explained(key):
                self._client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, **condition)
        except KeyError:
            raise Conflict(f"{self.uri(key)} was deleted in the meantime") from None
        except Conflict:
            # A put whose answer was lost is sent again by the SDK, and then loses against itself.
            stored = self.get(key)
            if stored is None or stored.data != data:
                raise

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, a thousand a request."""
        names = [{"Key": self.prefix + key} for key in keys]
        for at in range(0, len(names), _PER_DELETE):
            part = {"Objects": names[at : at + _PER_DELETE], "Quiet": True}
            with self._explained(""):
                answer = self._client.delete_objects(Bucket=self.bucket, Delete=part)
            for error in answer.get("Errors", []):
                reason = _ADVICE.get(error["Code"], error.get("Message", error["Code"]))
                raise LakeError(f"cannot delete s3://{self.bucket}/{error['Key']}: {reason}")

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Turn boto3's errors into one line each; a key that is not there is a KeyError."""
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if code == "NoSuchKey":
                raise KeyError(key) from None
            if status in _LOST:
                raise Conflict(f"{self.uri(key)} was written by another run in the meantime") from None
            raise LakeError(f"cannot use {self.uri(key)}: {_ADVICE.get(code, error)}") from None
        except NoCredentialsError:
            raise LakeError(
                f"cannot use {self.root}: no AWS credentials found: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or log in"
            ) from None
        except BotoCoreError as error:
            raise LakeError(f"cannot use {self.uri(key)}: {error}") from None
