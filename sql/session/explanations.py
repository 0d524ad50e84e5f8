"""Turn DuckDB's errors about a lake into messages that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from stockstream.sql.errors import LakeError, NoLake
from stockstream.sql.session.damage import explain_damage

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


_OF_STORE = ("Cannot open file", "Permission denied", "No files found")
"""Texts of errors of the file system that say nothing about the contents of a file."""


def first_line(error: Exception) -> str:
    """Return the first line of an error of DuckDB, without its kind and without bytes that cannot be printed."""
    if isinstance(error, UnicodeDecodeError):
        return "its column names are no text"
    line = str(error).split("\n")[0].removeprefix("Invalid Input Error: ").removeprefix("IO Error: ")
    return "".join(character if character.isprintable() else "?" for character in line)


def is_fault_of_store(error: duckdb.Error) -> bool:
    """Return whether the store cannot be read, so that the error says nothing about the contents of a file."""
    if isinstance(error, duckdb.HTTPException):
        return True
    return isinstance(error, duckdb.IOException) and any(part in str(error) for part in (*HINTS, *_OF_STORE))


@contextmanager
def explained(lake: str) -> Iterator[None]:
    """Run statements on the files of a lake; an error of DuckDB becomes the LakeError of `explain`.

    Raises:
        LakeError: a statement failed.
    """
    try:
        yield
    except (duckdb.Error, UnicodeDecodeError) as error:  # the message of DuckDB may quote bytes of the file
        raise explain(error, lake) from None


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
    return explain_damage(error, lake) or LakeError(f"cannot read {lake}: {text}")
