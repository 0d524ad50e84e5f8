"""The conditions of a bucket policy, which moto does not know: what a request is refused for.

Only what our policy uses: statements with Effect Deny, `Null` and `Bool`, the keys below. A key that is not here is an
error, so that no condition is taken as met without a test of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, urlsplit

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

_VALUES: ContextVar[Mapping[str, str] | None] = ContextVar("values", default=None)
"""The condition keys that the present request has."""


def noting(respond: Callable[..., Any]) -> Callable[..., Any]:
    """Return moto's answer to a request about an object, with the request's condition keys noted."""

    def noted(self: Any, request: Any, full_url: str) -> Any:
        query = parse_qs(urlsplit(full_url).query, keep_blank_values=True)
        is_part = "partNumber" in query or "uploads" in query
        values = {"aws:SecureTransport": str(full_url.startswith("https:")).lower()}
        values["s3:ObjectCreationOperation"] = str(not is_part).lower()
        for header in ("If-None-Match", "If-Match"):
            if header in request.headers:
                values[f"s3:{header.lower()}"] = request.headers[header]
        token = _VALUES.set(values)
        try:
            return respond(self, request, full_url)
        finally:
            _VALUES.reset(token)

    return noted


def permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Return whether the policy of a bucket refuses an action; replaces moto's `get_permission`."""
    values = _VALUES.get()
    if bucket.policy is None or values is None:
        return PermissionResult.NEUTRAL
    action = "s3:PutObject" if action == "s3:PostObject" else action  # a multipart upload
    for statement in json.loads(bucket.policy)["Statement"]:
        assert statement["Effect"] == "Deny"
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        concerns = fnmatchcase(action, statement["Action"]) and any(fnmatchcase(resource, one) for one in resources)
        if concerns and _met(statement["Condition"], values):
            return PermissionResult.DENIED
    return PermissionResult.NEUTRAL


def _met(condition: Mapping[str, Mapping[str, str]], values: Mapping[str, str]) -> bool:
    """Return whether all parts of a condition hold."""
    assert condition.keys() <= {"Null", "Bool"}, condition
    known = {"aws:SecureTransport", "s3:ObjectCreationOperation", "s3:if-none-match", "s3:if-match"}
    assert {key for keys in condition.values() for key in keys} <= known, condition
    nulls = all((key not in values) == (wanted == "true") for key, wanted in condition.get("Null", {}).items())
    return nulls and all(values.get(key) == wanted for key, wanted in condition.get("Bool", {}).items())
