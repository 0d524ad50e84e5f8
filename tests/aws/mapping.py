"""A mapping of a Kinesis stream to a Lambda function, as Lambda polls it: the one that Terraform has configured.

Batches of a shard (or, with a parallelization factor, of a part of its keys) one after the other, a parent before its
children. A batch that fails is halved (bisect) or delivered from the record that the answer names
(ReportBatchItemFailures); a record that still fails after the retries goes to the on-failure destination. At least
once: now and then batches that were done come again, with other borders.

References: AWS Lambda Developer Guide, "Using Lambda to process records from Amazon Kinesis Data Streams", "Configuring
partial batch response", "Retain discarded batch records".
"""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

from botocore.config import Config

PATIENT = Config(read_timeout=900, retries={"total_max_attempts": 1})
"""Of a client of Lambda: a function that takes long, or is killed, must not be invoked again by the client."""
MAX_PAYLOAD = 6 * 2**20
"""Bytes of an invocation."""


@dataclass(frozen=True)
class Streamed:
    """A record of a stream, as GetRecords returns it."""

    shard: str
    sequence: str
    key: str
    data: bytes
    arrived: float
    """Seconds since 1970."""

    def event(self, arn: str, role: str, skew: float) -> dict[str, Any]:
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": self.key,
                "sequenceNumber": self.sequence,
                "data": base64.b64encode(self.data).decode(),
                "approximateArrivalTimestamp": round(self.arrived + skew, 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self.shard}:{self.sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": role,
            "awsRegion": arn.split(":")[3],
            "eventSourceARN": arn,
        }


@dataclass
class Lane:
    """Records of a shard that are delivered in their order."""

    waiting: deque[Streamed] = field(default_factory=deque)
    done: deque[Streamed] = field(default_factory=lambda: deque(maxlen=400))
    """The newest records that were delivered."""


class StreamMapping:
    """The mapping of a function; `drain` delivers what the stream has."""

    def __init__(self, client: Any, function: str, rng: random.Random, again: float = 0.0, skew: float = 0.0) -> None:
        """Read the configuration. `client(service)` returns a client of AWS; `function` is a name.

        `again`: probability that records come again after a batch. `skew`: seconds by which the clock of the stream is
        ahead.
        """
        lambdas = client("lambda")
        mappings = lambdas.list_event_source_mappings()["EventSourceMappings"]  # moto does not select by name
        (self.configuration,) = (one for one in mappings if one["FunctionArn"].rsplit(":", 1)[1] == function)
        assert self.configuration["State"] == "Enabled"
        self.role = lambdas.get_function_configuration(FunctionName=function)["Role"]
        self.arn = self.configuration["EventSourceArn"]
        self._lambda, self._function = client("lambda", config=PATIENT), function
        # Lambda reads the stream, and sends the messages about failures, with the rights of the function.
        self._kinesis, self._sqs, self._queues = (
            client("kinesis", key=function),
            client("sqs", key=function),
            client("sqs"),
        )
        self._rng, self.again, self.skew = rng, again, skew
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._iterators: dict[str, str | None] = {}
        self.counts: Counter[str] = Counter()
        """invocations, errors, partial failures, halved, given up, delivered again."""

    def drain(self) -> None:
        """Deliver until the stream has no further record."""
        while self._read():
            while lanes := [lane for lane in self._lanes.values() if lane.waiting]:
                self._step(self._rng.choice(lanes))

    def forget(self) -> None:
        """Deliver nothing again of what has been delivered so far."""
        for lane in self._lanes.values():
            lane.done.clear()

    def _step(self, lane: Lane) -> None:
        """Deliver the next batch of a lane."""
        batch = self._cut(lane)
        self._deliver(batch)
        lane.done.extend(batch)
        if self._rng.random() < self.again:
            tail = self._rng.randrange(1, len(lane.done) + 1)
            lane.waiting.extendleft([lane.done.pop() for _ in range(tail)])
            self.counts["delivered again"] += tail

    def _cut(self, lane: Lane) -> list[Streamed]:
        """Take a batch: as many records as have come until the window ends, up to the limits."""
        size = self._rng.randrange(1, self.configuration["BatchSize"] + 1) if self.again else len(lane.waiting)
        batch: list[Streamed] = []
        space = MAX_PAYLOAD
        while lane.waiting and len(batch) < min(size, self.configuration["BatchSize"]):
            space -= len(json.dumps(lane.waiting[0].event(self.arn, self.role, 0)))
            if space < 0:
                break
            batch.append(lane.waiting.popleft())
        return batch

    def _deliver(self, batch: list[Streamed]) -> None:
        """Invoke the function until every record is done or given up."""
        settings, began = self.configuration, time.time()
        work = [(batch, 0)]
        while work:
            part, attempts = work.pop(0)
            failed = self._invoke(part)
            if failed is None:
                continue
            rest = part[failed:]
            if settings.get("BisectBatchOnFunctionError") and (failed or len(rest) > 1):
                middle = len(rest) if failed else len(rest) // 2  # at the record that the answer names, or halved
                work[:0] = [(half, attempts) for half in (rest[:middle], rest[middle:]) if half]
                self.counts["halved"] += 1
            elif attempts < settings.get("MaximumRetryAttempts", 10_000):
                work.insert(0, (rest, attempts + 1))
            else:
                self._give_up(rest, attempts + 1, began)

    def _invoke(self, batch: Sequence[Streamed]) -> int | None:
        """Deliver a batch; return the index of the first record that is not done, None if all are."""
        self.counts["invocations"] += 1
        event = {"Records": [record.event(self.arn, self.role, self.skew) for record in batch]}
        answer = self._lambda.invoke(FunctionName=self._function, Payload=json.dumps(event).encode())
        body = answer["Payload"].read()
        if "FunctionError" in answer:
            self.counts["errors"] += 1
            return 0
        if "ReportBatchItemFailures" not in self.configuration.get("FunctionResponseTypes", ()):
            return None
        failures = (json.loads(body) or {}).get("batchItemFailures") or []
        if not failures:
            return None
        self.counts["partial failures"] += 1
        numbers = [record.sequence for record in batch]
        assert {one["itemIdentifier"] for one in failures} <= {*numbers}, failures
        return min(numbers.index(one["itemIdentifier"]) for one in failures)

    def _give_up(self, batch: Sequence[Streamed], attempts: int, began: float) -> None:
        """Send to the on-failure destination what Lambda sends: where the records are, not the records."""
        self.counts["given up"] += len(batch)
        destination = self.configuration.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if not destination:
            return
        url = self._queues.get_queue_url(QueueName=destination.rsplit(":", 1)[1])["QueueUrl"]
        message = {
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": self.configuration["FunctionArn"],
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": attempts,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(began)),
            "KinesisBatchInfo": {
                "shardId": batch[0].shard,
                "startSequenceNumber": batch[0].sequence,
                "endSequenceNumber": batch[-1].sequence,
                "approximateArrivalOfFirstRecord": batch[0].arrived,
                "approximateArrivalOfLastRecord": batch[-1].arrived,
                "batchSize": len(batch),
                "streamArn": self.arn,
            },
        }
        self._sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))

    def _read(self) -> bool:
        """Read the shards whose parents are at their end; return whether there are new records."""
        found = False
        # Of the shards that were at their end, everything is delivered by now.
        ended = {name for name, iterator in self._iterators.items() if iterator is None}
        for shard in self._kinesis.list_shards(StreamARN=self.arn)["Shards"]:
            name = shard["ShardId"]
            parents = [shard[key] for key in ("ParentShardId", "AdjacentParentShardId") if key in shard]
            if not ended.issuperset(parents):
                continue
            if name not in self._iterators:
                assert self.configuration["StartingPosition"] == "TRIM_HORIZON"
                request = {"StreamARN": self.arn, "ShardId": name, "ShardIteratorType": "TRIM_HORIZON"}
                self._iterators[name] = self._kinesis.get_shard_iterator(**request)["ShardIterator"]
            while (iterator := self._iterators[name]) is not None:
                answer = self._kinesis.get_records(StreamARN=self.arn, ShardIterator=iterator)
                self._iterators[name] = answer.get("NextShardIterator")
                found |= self._iterators[name] is None
                for record in answer["Records"]:
                    self._queue(name, record)
                    found = True
                if not answer["MillisBehindLatest"]:
                    break
        return found

    def _queue(self, shard: str, record: dict[str, Any]) -> None:
        lanes = self.configuration.get("ParallelizationFactor", 1)
        number = int(md5(record["PartitionKey"].encode()).hexdigest(), 16) % lanes
        arrived = record["ApproximateArrivalTimestamp"].timestamp()
        one = Streamed(shard, record["SequenceNumber"], record["PartitionKey"], record["Data"], arrived)
        self._lanes.setdefault((shard, number), Lane()).waiting.append(one)
