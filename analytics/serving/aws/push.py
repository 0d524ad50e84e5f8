"""The Lambda function behind the stream of the table of live bars: it sends bars that change to the open websockets.

Environment: CONNECTIONS_TABLE, SOCKETS_URL. A batch of the stream has every state of a bar; only the newest of each is
sent, so that a slow reader costs nothing. A connection that is gone (410) is deleted. Nothing is sent twice on purpose:
what cannot be sent is counted, and the next state of the bar takes its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from stockstream.analytics.serving.aws.connections import Connection
from stockstream.analytics.serving.aws.sockets import connections
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.handlers.live_metrics import put_metrics
from stockstream.pipeline.handlers.runtime import logger
from stockstream.pipeline.live.state import Columns
from stockstream.pipeline.markets import MARKETS
from stockstream.sql.errors import UsageError

SENDERS = 32
"""Connections to which is sent at the same time."""
MAX_MESSAGE = 30_000
"""Bytes of a message: a frame of API Gateway has at most 32 KB."""
_CLIENT = Config(retries={"mode": "standard", "total_max_attempts": 2}, max_pool_connections=SENDERS, read_timeout=5)


@logger.inject_lambda_context(clear_state=True)
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, int]:
    """Event: records of a DynamoDB stream. Returns numbers of sent bars, gone connections and failed messages."""
    bars = newest(event["Records"])
    counts: Counter[str] = Counter(SentBars=0, SentMessages=0, GoneConnections=0, FailedMessages=0)
    if bars:
        with ThreadPoolExecutor(SENDERS) as pool:
            for one in pool.map(lambda connection: _send(connection, bars), connections().open()):
                counts.update(one)
    values = settings()
    put_metrics(counts, MARKETS[values.market], values.environment)
    return dict(counts)


def newest(records: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the newest state of each bar in the records as an event in JSON, by symbol; deleted items are left out."""
    bars = {}
    for record in records:  # those of an item are in their order
        if image := record["dynamodb"].get("NewImage"):
            session = image["session"]["S"]
            row = msgspec.json.decode(image["bar"]["S"], type=Columns)
            data = {"session": session, **msgspec.structs.asdict(row)}
            bars[image["symbol"]["S"]] = msgspec.json.encode({"event": "bar", "data": data})
    return bars


def messages(events: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield messages, each a JSON array of events, with their numbers of events."""
    part: list[bytes] = []
    size = 0
    for one in events:
        if part and size + len(one) + 1 > MAX_MESSAGE:
            yield b"[" + b",".join(part) + b"]", len(part)
            part, size = [], 0
        part.append(one)
        size += len(one) + 1
    if part:
        yield b"[" + b",".join(part) + b"]", len(part)


def _send(connection: Connection, bars: Mapping[str, bytes]) -> Counter[str]:
    """Send to a connection the bars that it wants; delete it if it is gone."""
    counts: Counter[str] = Counter()
    for data, number in messages([text for symbol, text in bars.items() if connection.wants(symbol)]):
        try:
            _gateway().post_to_connection(ConnectionId=connection.name, Data=data)
        except _gateway().exceptions.GoneException:
            connections().remove(connection.name)
            counts["GoneConnections"] += 1
            break
        except (ClientError, BotoCoreError) as error:
            logger.warning("%s, key %s: %s", connection.name, connection.key, error)
            counts["FailedMessages"] += 1
            break
        counts["SentMessages"] += 1
        counts["SentBars"] += number
    return counts


@cache
def _gateway() -> Any:
    values = settings()
    if not values.sockets_url:
        raise UsageError("set SOCKETS_URL: the address of the WebSocket API for its own functions")
    # Another AWS than that of Amazon has its own address of everything.
    endpoint = values.aws_endpoint_url or values.sockets_url
    return boto3.client("apigatewaymanagementapi", endpoint_url=endpoint, config=_CLIENT)
