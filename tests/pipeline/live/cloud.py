"""The speed layer's parts on moto's server: the table, the stream, events of Lambda as its event source makes them."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import boto3

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.announcement import announce
from stockstream.pipeline.live.facts import Facts
from stockstream.pipeline.live.fold import Session
from stockstream.pipeline.live.items import CLIENT
from stockstream.pipeline.live.sources import Plan
from stockstream.pipeline.markets import MARKETS
from tests.pipeline.live.feed import SESSION
from tests.s3_server import REGION

US = MARKETS["US"]
FIRST = 10**55
"""A sequence number of AWS has 56 digits."""
_names = itertools.count()


def new_table() -> str:
    """Create a table of live bars and return its name."""
    name = f"live-{next(_names)}"
    keys = [("symbol", "HASH"), ("session", "RANGE")]
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def new_stream(shards: int = 2) -> str:
    """Create a stream and return its name."""
    name = f"events-{next(_names)}"
    boto3.client("kinesis").create_stream(StreamName=name, ShardCount=shards)
    return name


def client() -> Any:
    return boto3.client("dynamodb", config=CLIENT)


def announced(lake: Lake, symbols: Sequence[str], session: Session = SESSION, source: str = "polygon") -> None:
    """Announce a session in a lake of the US market."""
    lake.mark(US)
    announce(lake, Plan(US, session), source, Facts(closes=dict.fromkeys(symbols, 100.0)), symbols)


def kinesis_record(number: int, data: bytes, shard: int = 0, arrived_at: float = 1_795_617_000.5) -> dict[str, Any]:
    """Return a record as Lambda delivers it; its sequence number has the digits of AWS."""
    sequence = str(FIRST + number)
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "any",
            "sequenceNumber": sequence,
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": arrived_at,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-{shard:012d}:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/any",
        "awsRegion": REGION,
        "eventSourceARN": f"arn:aws:kinesis:{REGION}:123456789012:stream/events",
    }


def kinesis_event(records: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"Records": list(records)}


def sequence_of(record: dict[str, Any]) -> str:
    return str(record["kinesis"]["sequenceNumber"])
