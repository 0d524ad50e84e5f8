"""The Lambda function that folds events: batches of a Kinesis stream into the table of live bars, and raw events to S3.

Environment: STOCKSTREAM_LAKE, LIVE_TABLE. The event source mapping reports batch item failures: the answer names the
first record of each shard whose events are not all in the table, and Lambda delivers from there.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.handlers.live_metrics import put_metrics
from stockstream.pipeline.handlers.runtime import logger
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.batch import Batches, LogRecord, Outcome
from stockstream.pipeline.live.items import CLIENT
from stockstream.pipeline.markets import MARKETS, Market


@logger.inject_lambda_context(clear_state=True)
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: records of a Kinesis stream. Returns `batchItemFailures`."""
    values = settings()
    if not values.live_table:
        raise UsageError("set LIVE_TABLE: the DynamoDB table of the live bars")
    batches, market = _opened(values.lake_uri, values.live_table, values.market)
    failures = []
    for shard, records in _by_shard(event).items():
        outcome = batches.take(shard, records)
        _report(outcome, market)
        if outcome.failed is not None:
            logger.error("%s from record %s: %s", shard, outcome.failed, outcome.failure)
            failures.append({"itemIdentifier": outcome.failed})
    return {"batchItemFailures": failures}


@cache
def _opened(lake_uri: str, table: str, market_of_new_lake: str) -> tuple[Batches, Market]:
    """Return what an execution environment keeps from one batch to the next."""
    lake = Lake(lake_uri)
    market = lake.market() or MARKETS[market_of_new_lake]
    return Batches(lake, market, boto3.client("dynamodb", config=CLIENT), table), market


def _by_shard(event: Mapping[str, Any]) -> dict[str, list[LogRecord]]:
    """Return the records of an event by shard.

    Raises:
        UsageError: it is not an event of a Kinesis stream.
    """
    shards: dict[str, list[LogRecord]] = defaultdict(list)
    try:
        for record in event["Records"]:
            content = record["kinesis"]
            shard = record["eventID"].partition(":")[0]
            data = base64.b64decode(content["data"])
            arrived_at = round(1000 * float(content["approximateArrivalTimestamp"]))
            shards[shard].append(LogRecord(content["sequenceNumber"], data, arrived_at))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"this is no event of a Kinesis stream ({reason}): check the event source mapping") from None
    return shards


def _report(outcome: Outcome, market: Market) -> None:
    values = {
        "Events": outcome.events,
        "BarsWritten": outcome.bars,
        "RejectedEvents": sum(outcome.rejected.values()),
        "FailedBatches": int(outcome.failed is not None),
    }
    put_metrics(values, market, settings().environment, {"RejectedEventsByReason": outcome.rejected})
    if outcome.counts:
        logger.info("not used", extra={"not_used": dict(sorted(outcome.counts.items()))})
