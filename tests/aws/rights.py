"""The rights of the functions' roles, which moto does not evaluate: S3 refuses a request that its role does not allow.

A function's requests are signed with its name, and its configuration names its role; those of a container are signed
with the name of its role. Requests with another key, such as those of an operator, may do everything. Only what our
policies use: inline policies of statements with Effect Allow and without a condition; anything else is an error, so
that nothing is taken as allowed without a test of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam import iam_backends
from moto.s3.exceptions import MissingKey, S3AccessDeniedError

from tests.s3_server import CREDENTIALS, REGION

Asked = tuple[str, str, str]
"""A function's name, an action, and the ARN of its resource."""

_FUNCTION: ContextVar[str] = ContextVar("function", default="")
"""The function that has sent the present request; empty if none has."""
_OBJECT_ACTIONS = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "POST": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}


class Rights:
    """What the functions have asked of S3, and which of it their roles do not allow."""

    def __init__(self) -> None:
        self.asked: set[Asked] = set()
        self.refused: set[Asked] = set()

    def of_objects(self, respond: Callable[..., Any]) -> Callable[..., Any]:
        """Return moto's answer to a request about an object, or a refusal."""

        def answer(response: Any, request: Any, full_url: str) -> Any:
            resource = f"{response.parse_bucket_name_from_url(request, full_url)}/{response.parse_key_name()}"
            return self._answer(respond, _OBJECT_ACTIONS[request.method], resource, response, request, full_url)

        return answer

    def of_buckets(self, respond: Callable[..., Any]) -> Callable[..., Any]:
        """Return moto's answer to a request about a bucket, or a refusal; objects are deleted by `allow` one by one."""

        def answer(response: Any, request: Any, full_url: str) -> Any:
            bucket = response.parse_bucket_name_from_url(request, full_url)
            is_listing = request.method == "GET" and "list-type" in full_url
            action = "s3:ListBucket" if is_listing else f"s3:{request.method.title()}Bucket"
            action = "" if request.method == "POST" else action
            return self._answer(respond, action, bucket, response, request, full_url)

        return answer

    def allow(self, action: str, arn: str) -> bool:
        """Return whether the present request may do something, and note that it was asked."""
        if not (function := _FUNCTION.get()):
            return True
        asked = (function, action, arn)
        self.asked.add(asked)
        if any(fnmatchcase(action, one) and fnmatchcase(arn, resource) for one, resource in allowed_to(function)):
            return True
        self.refused.add(asked)
        return False

    @contextmanager
    def signed_by(self, signer: str) -> Iterator[None]:
        """Judge requests as those of a function or a role while inside `with`."""
        token = _FUNCTION.set(signer)
        try:
            yield
        finally:
            _FUNCTION.reset(token)

    def _answer(self, respond: Callable[..., Any], action: str, resource: str, *request: Any) -> Any:
        with self.signed_by(_function(request[1].headers.get("Authorization", ""))):
            try:
                if action and not self.allow(action, f"arn:aws:s3:::{resource}"):
                    raise S3AccessDeniedError
                return respond(*request)
            except MissingKey:  # S3 says so only to those who may list the bucket
                if not self.allow("s3:ListBucket", f"arn:aws:s3:::{resource.partition('/')[0]}"):
                    raise S3AccessDeniedError from None
                raise


def allowed_to(function: str) -> Iterator[tuple[str, str]]:
    """Yield the actions and resources that a role, or the role of a function, allows."""
    functions = lambda_backends[DEFAULT_ACCOUNT_ID][REGION]
    name = functions.get_function(function).role.rsplit("/", 1)[1] if function in _functions() else function
    role = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].get_role(name)
    assert not role.managed_policies, role.managed_policies
    for policy in role.policies.values():
        for statement in json.loads(policy)["Statement"]:
            assert statement.keys() <= {"Sid", "Effect", "Action", "Resource"}, statement
            assert statement["Effect"] == "Allow", statement
            yield from ((action, resource) for action in statement["Action"] for resource in statement["Resource"])


def signer(environ: Mapping[str, Any]) -> str:
    """Return the name of the function or the role that has signed a request of WSGI; empty if another key has."""
    return _function(environ.get("HTTP_AUTHORIZATION", ""))


def _function(authorization: str) -> str:
    signed = re.search(r"Credential=([^/]+)/", authorization)
    if not signed or signed[1] == CREDENTIALS["AWS_ACCESS_KEY_ID"]:
        return ""
    roles = {role.name for role in iam_backends[DEFAULT_ACCOUNT_ID]["aws"].roles.values()}
    return signed[1] if signed[1] in _functions() | roles else ""


def _functions() -> set[str]:
    return {one.function_name for one in lambda_backends[DEFAULT_ACCOUNT_ID][REGION].list_functions()}
