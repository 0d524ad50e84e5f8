"""Turn DuckDB's errors about a lake into messages that say what to do."""

from __future__ import annotations

import re

from stockstream.sql.errors import LakeError, NoLake

HINTS = {
    "InvalidAccessKeyId": "S3 does not know the access key: check the AWS credentials in use",
    "SignatureDoesNotMatch": "the secret access key is wrong: check the AWS credentials in use",
    "ExpiredToken": "the AWS credentials have expired: log in again",
    "InvalidToken": "the AWS session token is wrong: check the AWS credentials in use, or log in again",
    "NoSuchBucket": "there is no such bucket",
    "Secret Validation Failure": "no AWS credentials found: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or log in",
    "AccessDenied": "access denied: check the AWS credentials in use and what they may read",
    "Unable to locate credentials": "no AWS credentials found: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or log in",
    "HTTP 403": "access denied: check the AWS credentials in use and what they may read",
    "Could not establish connection": "no connection to S3",
    "Could not connect": "no connection to S3",
}
"""Advice, by a text that DuckDB's message contains; the first match is used."""
NEWER = "the lake was written by a newer Stock Stream"
"""The beginning of the message with which lake.sql refuses a manifest of a newer format."""


def explain(error: Exception, lake: str) -> LakeError:
    """Return the LakeError for an error of DuckDB or boto3: its message is one line that says what to do."""
    text = " ".join(re.split(r"\n\n(?:LINE |At:\n)", str(error))[0].split())
    if match := re.match(r"(?:LakeError|NoLake): (.*)", text):  # of sql/session/objects.py, through DuckDB
        return LakeError(match[1])
    if NEWER in text:
        return LakeError(f"cannot read {lake}: {text[text.index(NEWER) :]}")
    for part, advice in HINTS.items():
        if part in text:
            if part == "NoSuchBucket":
                return NoLake(f"cannot read {lake}: {advice}")
            return LakeError(f"cannot read {lake}: {advice}")
    return LakeError(f"cannot read {lake}: {text}")
