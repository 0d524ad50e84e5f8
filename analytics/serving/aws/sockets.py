"""The Lambda function behind API Gateway's WebSocket API: who may connect, and what a connection subscribes to.

Environment: CONNECTIONS_TABLE, SERVING_KEYS_PARAMETER. A client connects with a key in a header, which has the scope
`live`; a browser cannot send one, and there are no tickets here. Then it sends `{"subscribe": ["BHP", "CBA"]}`, `["*"]`
for all symbols, or `{"unsubscribe": …}`, and is answered with all that it has subscribed to. `push` sends the bars.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

import boto3
import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import Meta

from stockstream.analytics.serving.aws import secrets
from stockstream.analytics.serving.aws.connections import Connections
from stockstream.analytics.serving.problems import Problem
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.handlers.runtime import logger
from stockstream.sql.errors import StockStreamError, UsageError

SCOPE = "live"
Symbols = Annotated[list[Annotated[str, Meta(min_length=1, max_length=32)]], Meta(min_length=1, max_length=1000)]


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends: symbols to add, or to remove."""

    subscribe: Symbols | None = None
    unsubscribe: Symbols | None = None


@logger.inject_lambda_context(clear_state=True)
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: that of a route of a WebSocket API. Returns the answer; another status than 200 refuses a connection."""
    request = event["requestContext"]
    name, route = request["connectionId"], request["routeKey"]
    try:
        if route == "$connect":
            return _connect(name, event)
        if route == "$disconnect":
            connections().remove(name)
            return {"statusCode": 200}
        return _message(name, event.get("body") or "")
    except Problem as problem:
        return _answer(problem.status, problem.document())
    except StockStreamError as error:
        logger.error("%s", error)
        return _answer(503, Problem(503, "the lake cannot be served at the moment").document())


@cache
def connections() -> Connections:
    """Return the table of the connections."""
    table = settings().connections_table
    if not table:
        raise UsageError("set CONNECTIONS_TABLE: the DynamoDB table of the open websockets")
    return Connections(boto3.client("dynamodb"), table)


def _connect(name: str, event: Mapping[str, Any]) -> dict[str, Any]:
    headers = {key.lower(): value for key, value in (event.get("headers") or {}).items()}
    key = secrets.holder(headers)
    if key is None:
        raise Problem(401, "a key is needed: Authorization: Bearer KEY")
    if SCOPE not in key.scopes:
        raise Problem(403, f"the key {key.name} does not have the scope {SCOPE}")
    connections().add(name, key.name)
    return {"statusCode": 200}


def _message(name: str, body: str) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(body, type=Message)
    except msgspec.DecodeError as error:
        raise Problem(422, f'write {{"subscribe": ["BHP"]}} or {{"unsubscribe": ["BHP"]}}: {error}') from None
    symbols: list[str] | None = []
    for action, listed in (("ADD", message.subscribe), ("DELETE", message.unsubscribe)):
        if listed:
            symbols = connections().change(name, action, (symbol.upper() for symbol in listed))
    if symbols is None:
        raise Problem(410, "the connection has expired: connect again")
    return _answer(200, {"subscribed": symbols})


def _answer(status: int, document: Any) -> dict[str, Any]:
    return {"statusCode": status, "body": msgspec.json.encode(document).decode()}
