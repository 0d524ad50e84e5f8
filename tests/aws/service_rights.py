"""The rights of roles to DynamoDB, Kinesis and SNS: a request that its role does not allow is refused, as by AWS."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

from moto.core import DEFAULT_ACCOUNT_ID

from tests.aws.faults import App, json_answer
from tests.aws.rights import Rights, signer
from tests.s3_server import REGION

_SERVICES = {"DynamoDB_20120810": "dynamodb", "Kinesis_20131202": "kinesis"}


def checked(app: App, rights: Rights) -> App:
    """Return a server of AWS that refuses what the role of a request's signer does not allow."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not signer(environ):
            return app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ = {**environ, "wsgi.input": io.BytesIO(body)}
        with rights.signed_by(signer(environ)):
            for action, resource in asked(environ, body):
                if not rights.allow(action, resource):
                    message = f"User is not authorized to perform: {action} on resource: {resource}"
                    return json_answer(
                        start_response, "400 Bad Request", {"__type": "AccessDeniedException", "message": message}
                    )
        return app(environ, start_response)

    return answer


def asked(environ: Mapping[str, Any], body: bytes) -> list[tuple[str, str]]:
    """Return the actions and the ARNs of their resources that a request is about, of the services above."""
    service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    if name := _SERVICES.get(service):
        content = json.loads(body)
        kind, resources = ("table", _tables(content)) if name == "dynamodb" else ("stream", _streams(content))
        prefix = f"arn:aws:{name}:{REGION}:{DEFAULT_ACCOUNT_ID}:{kind}/"
        return [(f"{name}:{action}", one if one.startswith("arn:") else prefix + one) for one in resources]
    form = parse_qs(body.decode(errors="replace")) if b"TopicArn=" in body else {}
    # The right to publish includes that to publish batches.
    return [("sns:Publish", form["TopicArn"][0])] if form.get("Action", [""])[0].startswith("Publish") else []


def _tables(content: Mapping[str, Any]) -> list[str]:
    many = content.get("RequestItems") or {one["Put"]["TableName"]: None for one in content.get("TransactItems", ())}
    return [*many] or [content["TableName"]]


def _streams(content: Mapping[str, Any]) -> list[str]:
    return [content.get("StreamARN") or content.get("StreamName") or "any"]
