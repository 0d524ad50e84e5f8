"""The deployed speed layer as its tests use it: producers, the mapping, what a minute publishes, what came of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from stockstream.analytics import connect
from stockstream.pipeline.lake import Lake
from tests.aws.mapping import PATIENT, StreamMapping
from tests.aws.server import LoopbackAws
from tests.pipeline.live.aggregation import events_of
from tests.pipeline.live.clock import command_at
from tests.pipeline.live.day import MarketDay
from tests.pipeline.live.exchange import KEY, Exchange
from tests.pipeline.live.feed import OPENS, SESSION
from tests.polygon_vendor import Vendor
from tests.s3_server import REGION
from tests.terraform.deployment import Terraform

NOW = "2026-11-25T20:59:00+00:00"
"""A minute before the close."""
SECONDS = 400
"""For which a loaded machine may need until a producer has put a day."""


@dataclass
class Producing:
    """A producer, and its status after it has been stopped."""

    process: subprocess.Popen[str]
    status: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    """What it has written to standard error."""


class Speed:
    """The deployment, AWS on loopback, and the vendor's REST API."""

    def __init__(self, aws: LoopbackAws, terraform: Terraform, vendor: Vendor) -> None:
        self.aws, self.terraform, self.vendor = aws, terraform, vendor
        outputs = terraform.outputs()
        self.live: dict[str, Any] = outputs["live"]
        self.functions: dict[str, str] = {name: arn.rsplit(":", 1)[1] for name, arn in outputs["function_arns"].items()}
        self.uri = f"s3://{outputs['bucket']}"
        self.producer_role = f"{self.live['stream'].removesuffix('-events')}-producer"
        self.rng = random.Random(16)
        self.mapping = StreamMapping(aws.client, self.functions["fold_events"], self.rng)
        self._ends: dict[str, str] = {}
        sqs = aws.client("sqs")
        self.mailbox = sqs.create_queue(QueueName="alerts")["QueueUrl"]
        queue = sqs.get_queue_attributes(QueueUrl=self.mailbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        aws.client("sns").subscribe(TopicArn=self.live["topic_arn"], Protocol="sqs", Endpoint=queue)

    @property
    def lake(self) -> Lake:
        """The lake, with the credentials of the environment now."""
        return Lake(self.uri)

    def begin(self, day: MarketDay, scratch: Path) -> None:
        """Let the lake have what it knows before a day, and nothing of the day; the table is empty."""
        self.mapping.drain()
        self.mapping.forget()
        self._ends |= {shard: number for shard, number, _ in self.records()}
        store = self.lake.store
        for folder in ("live/", "raw_events/", "raw-data/"):
            store.delete(list(store.list(folder)))
        self.aws.s3.fill(self.uri, dict(day.objects(scratch)))
        dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[self.live["table"]].items.clear()
        self.messages(self.mailbox)
        self.messages("failures_url")
        self.aws.lambdas.forget()  # what a function remembers of the day

    @contextmanager
    def producing(self, exchange: Exchange, at: int = OPENS + 3_600_000, lake: str = "") -> Iterator[Producing]:
        """Run the container's command, with the rights of its role and a clock that begins at a time; stop it then."""
        arguments = ["stream", "--source", "polygon", "--to", f"kinesis:{self.live['stream']}", "--json"]
        environment = {
            **os.environ,
            **self.aws.environment,
            "AWS_ACCESS_KEY_ID": self.producer_role,
            "STOCKSTREAM_LAKE": lake or self.uri,
            "STOCKSTREAM_MARKET": "US",
            "POLYGON_API_KEY": KEY,
            "STOCKSTREAM_POLYGON_STREAM_URL": exchange.url,
            "STOCKSTREAM_POLYGON_URL": self.vendor.url,
        }
        pipe = subprocess.PIPE
        process = subprocess.Popen(command_at(at, arguments), env=environment, stdout=pipe, stderr=pipe, text=True)
        producing = Producing(process)
        try:
            yield producing
        finally:
            process.send_signal(signal.SIGTERM)
            out, producing.message = process.communicate(timeout=SECONDS)
        if process.returncode == 128 + signal.SIGTERM:
            producing.status = json.loads(out)

    def wait_for(
        self,
        day: MarketDay,
        frames: Sequence[bytes],
        producer: Producing,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Wait until the stream has every event of some frames of a day, calling `meanwhile` again and again."""
        wanted = _identities(events_of(frames, day.symbols, SESSION))
        deadline, left = time.monotonic() + SECONDS, wanted
        while time.monotonic() < deadline and producer.process.poll() is None:
            meanwhile()
            if not (left := wanted - _identities(self.arrived(day))):
                return
            time.sleep(0.5)
        raise AssertionError(f"{len(left)} of {len(wanted)} events have not arrived; {producer}")

    def arrived(self, day: MarketDay) -> pl.DataFrame:
        """Return the events of a day that the stream has."""
        return events_of((data for _, _, data in self.records()), day.symbols, SESSION)

    def publish(self, now: str = NOW) -> dict[str, Any]:
        """Invoke the function of every minute; return what it says about the session."""
        (session,) = self.invoke("publish_live", {"now": now})["sessions"]
        assert session["session"] == SESSION.date
        return session  # type: ignore[no-any-return]

    def invoke(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke a function; return its result."""
        client = self.aws.client("lambda", config=PATIENT)
        answer = client.invoke(FunctionName=self.functions[function], Payload=json.dumps(event))
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body  # type: ignore[no-any-return]

    def metrics(self, function: str) -> list[dict[str, Any]]:
        """Return the metrics that a function has logged: namespace, name, dimensions."""
        logs = [one.log for one in self.aws.lambdas.invoked if one.function == self.functions[function]]
        lines = [json.loads(line) for log in logs for line in log.splitlines() if '"_aws"' in line]
        return [
            {
                "Namespace": group["Namespace"],
                "MetricName": metric["Name"],
                "Dimensions": {name: line[name] for name in group["Dimensions"][0]},
            }
            for line in lines
            for group in line["_aws"]["CloudWatchMetrics"]
            for metric in group["Metrics"]
        ]

    def alerts(self) -> list[tuple[str, str]]:
        """Return rule and symbol of the alerts that a subscriber of the topic has got since the last call."""
        documents = [json.loads(message["Message"]) for message in self.messages(self.mailbox)]
        return [(one["rule"], one["symbol"]) for document in documents for one in document["alerts"]]

    def data_without(self, messages: Sequence[dict[str, Any]]) -> Iterator[bytes]:
        """Yield the data of the records since `begin` that were not given up, by the messages about those that were."""
        infos = [message["KinesisBatchInfo"] for message in messages]
        ranges = [(one["shardId"], one["startSequenceNumber"], one["endSequenceNumber"]) for one in infos]
        for shard, number, data in self.records():
            if not any(shard == name and first <= number <= last for name, first, last in ranges):
                yield data

    def records(self) -> Iterator[tuple[str, str, bytes]]:
        """Yield the records since `begin`: shard, sequence number and data, a parent before its children."""
        kinesis, name = self.aws.client("kinesis"), self.live["stream"]
        for shard in kinesis.list_shards(StreamName=name)["Shards"]:
            known = self._ends.get(shard["ShardId"])
            start: dict[str, str] = (
                {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": known}
                if known
                else {"ShardIteratorType": "TRIM_HORIZON"}
            )
            iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], **start)["ShardIterator"]
            while iterator:
                answer = kinesis.get_records(ShardIterator=iterator)
                for record in answer["Records"]:
                    yield shard["ShardId"], record["SequenceNumber"], record["Data"]
                iterator = answer.get("NextShardIterator") if answer["MillisBehindLatest"] else None

    def raw_events(self, day: MarketDay) -> pl.DataFrame:
        """Return the events of a day from the view `raw_events`."""
        with connect(self.uri) as con:
            texts = con.execute(f"SELECT event FROM raw_events WHERE date = '{SESSION.date}'").fetchall()
        return events_of((f"[{text}]".encode() for (text,) in texts), day.symbols, SESSION)

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Return and delete the messages of a queue, by its name in the outputs or its URL."""
        sqs, url = self.aws.client("sqs"), self.live.get(queue, queue)
        messages: list[dict[str, Any]] = []
        while some := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in some:
                messages.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def put(self, *records: bytes) -> None:
        """Put records into the stream as another producer could."""
        entries = [{"PartitionKey": f"key {number}", "Data": data} for number, data in enumerate(records)]
        self.aws.client("kinesis").put_records(StreamName=self.live["stream"], Records=entries)

    def split(self) -> None:
        """Split the first open shard in the middle, as Kinesis does when a stream on demand grows."""
        shard = self._open_shards()[0]
        low, high = (int(shard["HashKeyRange"][f"{end}HashKey"]) for end in ("Starting", "Ending"))
        self.aws.client("kinesis").split_shard(
            StreamName=self.live["stream"], ShardToSplit=shard["ShardId"], NewStartingHashKey=str((low + high) // 2)
        )

    def merge(self) -> None:
        """Merge the first two open shards."""
        one, other = self._open_shards()[:2]
        self.aws.client("kinesis").merge_shards(
            StreamName=self.live["stream"], ShardToMerge=one["ShardId"], AdjacentShardToMerge=other["ShardId"]
        )

    def _open_shards(self) -> list[dict[str, Any]]:
        shards = self.aws.client("kinesis").list_shards(StreamName=self.live["stream"])["Shards"]
        is_open = [one for one in shards if "EndingSequenceNumber" not in one["SequenceNumberRange"]]
        return sorted(is_open, key=lambda one: int(one["HashKeyRange"]["StartingHashKey"]))


def _identities(events: pl.DataFrame) -> set[tuple[str, int]]:
    return set(events.select("sym", "s").iter_rows())


def cut(frames: Sequence[bytes], *at: int) -> list[list[bytes]]:
    """Return the parts between positions."""
    return [list(frames[a:b]) for a, b in pairwise((0, *at, len(frames)))]
