"""Whether what answered a request is S3: a captive portal or a proxy answers with a page of its own."""

from __future__ import annotations

import re
from typing import Any

from stockstream.sql.text import printable

_SHOWN = 80
"""Number of characters of a page that a message quotes."""
_READ = 4096
_NOT_TEXT = re.compile(r"<(script|style)\b.*?(</\1>|$)|<!--.*?-->|<[^>]*>?", re.DOTALL | re.IGNORECASE)


class NotS3(Exception):
    """The answer does not come from S3; the text says what it is."""


def check_answer(
    operation_model: Any, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Examine an answer before boto3 parses it: a handler of botocore's event `before-parse`.

    An error's page is kept in the answer as `Page`, for the message when the SDK has no attempts left.

    Raises:
        NotS3: a page answers a request as if it had succeeded.
    """
    status, body, headers = response_dict["status_code"], response_dict["body"], response_dict["headers"]
    is_error, is_stream = status >= 300, not isinstance(body, bytes)
    is_redirect = 300 <= status < 400
    if is_stream:  # the object itself
        is_page = "etag" not in headers or headers.get("content-type", "").startswith("text/html")
    elif operation_model.name == "PutObject" and not is_error:
        is_page = "etag" not in headers or bool(body)
    else:
        is_page = _is_page(body) if body else is_redirect
    if not is_page:
        return
    page = f"HTTP {status}, {_beginning(body.read(_READ) if is_stream else body[:_READ])}"
    if is_redirect or not is_error:  # boto3 would look for the bucket's region again and again
        raise NotS3(page)
    customized_response_dict["Page"] = page


def check_listing(page: dict[str, Any]) -> None:
    """Check that a page of a list of objects is one.

    Raises:
        NotS3: it lacks what each has, such as XML of another kind.
    """
    if "IsTruncated" not in page or "date" not in page["ResponseMetadata"]["HTTPHeaders"]:
        raise NotS3("a list of objects without its fields")


def _is_page(body: bytes) -> bool:
    beginning = body[:_READ].lstrip().lower()
    return b"<html" in beginning or b"<!doctype html" in beginning or not beginning.startswith(b"<")


def _beginning(page: bytes) -> str:
    """Return the beginning of a page as a quoted text without its tags."""
    text = " ".join(_NOT_TEXT.sub(" ", page.decode("utf-8", "replace")).split())
    return f'"{printable(text[:_SHOWN])}{"…" if len(text) > _SHOWN else ""}"' if text else "an empty page"
