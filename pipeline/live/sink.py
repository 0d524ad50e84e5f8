"""A Kinesis stream as the place where a producer puts records: which errors pass, and which end it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from stockstream.pipeline.errors import LakeError, UsageError
from stockstream.pipeline.live.parcels import Parcel

SENDERS = 4
"""Requests that are under way at the same time."""
PASSING = frozenset(
    {
        "InternalFailure",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)
"""Codes of errors after which the same request may succeed."""
_ADVICE = {
    "ResourceNotFoundException": "there is no such stream: check its name and AWS_REGION",
    "AccessDeniedException": "access denied: check the AWS credentials in use and what they may do",
    "UnrecognizedClientException": "AWS does not know the access key: check the AWS credentials in use",
    "ExpiredTokenException": "the AWS credentials have expired: log in again",
    "InvalidSignatureException": "the signature is wrong: check the secret key, and the clock of this machine",
}


def stream_name(text: str, option: str) -> str:
    """Return the name of the stream in a text such as kinesis:events.

    Raises:
        UsageError: it is of another form.
    """
    kind, _, name = text.partition(":")
    if kind != "kinesis" or not name:
        raise UsageError(f"{option} {text}: write kinesis:NAME, the name of a Kinesis stream")
    return name


def kinesis_client() -> Any:
    """Return a client that tries once: its callers wait and try again, as only they know what came meanwhile.

    Raises:
        UsageError: there is no region.
    """
    config = Config(
        retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=15, max_pool_connections=SENDERS + 1
    )
    try:
        return boto3.client("kinesis", config=config)
    except NoRegionError:
        raise UsageError("set AWS_REGION: the region of the Kinesis stream") from None


def is_passing(error: Exception) -> bool:
    """Return whether the same request may succeed later: throttling, a failure of AWS, or of the network."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.response["Error"]["Code"] in PASSING or status >= 500
    return isinstance(error, BotoCoreError) and not isinstance(error, NoCredentialsError)


def refusal(stream: str, error: Exception) -> str:
    """Return the message about an error that does not pass."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    if isinstance(error, NoCredentialsError):
        return f"the Kinesis stream {stream}: there are no AWS credentials"
    return f"the Kinesis stream {stream}: {_ADVICE.get(code) or f'{code}: {error}'}"


class Sink:
    """A stream by its name; `counts` has the records that were put, and the reasons of those that were not at first."""

    def __init__(self, stream: str, client: Any) -> None:
        self.stream, self._client = stream, client
        self.counts: Counter[str] = Counter()
        self.last_failure: str | None = None

    def check(self) -> None:
        """Check that the stream exists, as far as the credentials allow.

        Raises:
            LakeError: there is no such stream, or no credentials for it.
        """
        try:
            self._client.describe_stream_summary(StreamName=self.stream)
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            if not is_passing(error) and code != "AccessDeniedException":  # a producer needs the right to put only
                raise LakeError(refusal(self.stream, error)) from None

    def put(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Put records and return those that are not in the stream, for another attempt.

        Raises:
            LakeError: no attempt can succeed.
        """
        records = [{"Data": parcel.data, "PartitionKey": parcel.symbol} for parcel in parcels]
        try:
            answer = self._client.put_records(StreamName=self.stream, Records=records)
        except (ClientError, BotoCoreError) as error:
            if not is_passing(error):
                raise LakeError(refusal(self.stream, error)) from None
            self._note(error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__)
            return list(parcels)
        failed = []
        for parcel, result in zip(parcels, answer["Records"], strict=True):
            if code := result.get("ErrorCode"):
                self._note(f"{code}: {result.get('ErrorMessage', '')}", code)
                failed.append(parcel)
        self.counts["records"] += len(parcels) - len(failed)
        return failed

    def _note(self, reason: str, code: str = "") -> None:
        self.counts[f"retried: {code or reason}"] += 1
        self.last_failure = reason.rstrip(": ")[:200]
