"""The rights of roles to DynamoDB, Kinesis, SQS and SNS: what a role does not allow is refused, as by AWS."""

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

_SERVICES = {
    "DynamoDB_20120810": "dynamodb:{region}:{account}:table/",
    "Kinesis_20131202": "kinesis:{region}:{account}:stream/",
    "AmazonSQS": "sqs:{region}:{account}:",
}
"""What the ARNs of a service begin with, by the name in its requests."""


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
    if prefix := _SERVICES.get(service):
        prefix = prefix.format(region=REGION, account=DEFAULT_ACCOUNT_ID)
        name = prefix.partition(":")[0]
        return [(f"{name}:{action}", f"arn:aws:{prefix}{one}") for one in _resources(json.loads(body))]
    form = parse_qs(body.decode(errors="replace")) if b"TopicArn=" in body else {}
    # The right to publish includes that to publish batches.
    return [("sns:Publish", form["TopicArn"][0])] if form.get("Action", [""])[0].startswith("Publish") else []


def _resources(content: Mapping[str, Any]) -> list[str]:
    """Return the names of the tables, the stream or the queue of a request, which may have them as ARNs or URLs."""
    names = [content[one] for one in ("TableName", "StreamARN", "StreamName", "QueueUrl") if one in content]
    return [name.rpartition("/")[2] for name in (content.get("RequestItems") or names[:1] or ["any"])]
