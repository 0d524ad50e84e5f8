"""The stream and the mapping on loopback do what AWS documents, so that they hide no fault of what they test."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from tests.aws.mapping import StreamMapping
from tests.aws.streams import Streams
from tests.s3_server import CREDENTIALS, REGION, S3Server

ARN = f"arn:aws:kinesis:{REGION}:123456789012:stream/events"
Answer = Callable[[list[dict[str, Any]]], dict[str, Any] | None]
"""What a function answers to records; None: it fails."""


class Function:
    """A client of Lambda with one function, which notes what it was given."""

    def __init__(self, answer: Answer, **configuration: Any) -> None:
        self.answer = answer
        self.batches: list[list[str]] = []
        self.configuration = {
            "State": "Enabled",
            "EventSourceArn": ARN,
            "FunctionArn": "arn:aws:lambda:::function:fold",
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": 100,
            "MaximumRetryAttempts": 2,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            **configuration,
        }

    def list_event_source_mappings(self, **_: Any) -> Any:
        return {"EventSourceMappings": [self.configuration]}

    def get_function_configuration(self, **_: Any) -> Any:
        return {"Role": "arn:aws:iam::1:role/fold"}

    def invoke(self, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803
        records = json.loads(Payload)["Records"]
        self.batches.append([record["kinesis"]["sequenceNumber"] for record in records])
        answer = self.answer(records)
        body = {"Payload": io.BytesIO(json.dumps(answer).encode())}
        return body if answer is not None else {**body, "FunctionError": "Unhandled"}


@pytest.fixture
def streams() -> Iterator[Streams]:
    one = Streams()
    patches = one.patches()
    for patch in patches:
        patch.start()
    yield one
    for patch in patches:
        patch.stop()


@pytest.fixture
def client(streams: Streams) -> Iterator[Callable[[str], Any]]:
    credentials = {name.lower(): CREDENTIALS[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    with S3Server() as server:

        def make(service: str, **_: Any) -> Any:
            return boto3.client(service, endpoint_url=server.url, region_name=REGION, **credentials)

        kinesis = make("kinesis")
        kinesis.create_stream(StreamName="events", ShardCount=2)
        yield make
        kinesis.delete_stream(StreamName="events")


def mapping_of(client: Callable[[str], Any], function: Function, **options: Any) -> StreamMapping:
    def either(service: str, **rest: Any) -> Any:
        return function if service == "lambda" else client(service, **rest)

    return StreamMapping(either, "fold", random.Random(3), **options)


def put(client: Callable[[str], Any], count: int) -> dict[str, Any]:
    records = [{"Data": str(number).encode(), "PartitionKey": f"K{number % 7}"} for number in range(count)]
    return client("kinesis").put_records(StreamName="events", Records=records)  # type: ignore[no-any-return]


def done(*_: Any) -> dict[str, Any]:
    return {"batchItemFailures": []}


def test_sequence_numbers_are_those_of_aws_also_after_a_split_and_a_merge(client: Callable[[str], Any]) -> None:
    kinesis, function = client("kinesis"), Function(done)
    mapping = mapping_of(client, function)
    before = put(client, 40)["Records"]
    shards = kinesis.list_shards(StreamName="events")["Shards"]
    kinesis.split_shard(StreamName="events", ShardToSplit=shards[0]["ShardId"], NewStartingHashKey=str(2**125))
    kinesis.merge_shards(
        StreamName="events", ShardToMerge="shardId-000000000003", AdjacentShardToMerge="shardId-000000000001"
    )
    after = put(client, 40)["Records"]
    assert {len(record["SequenceNumber"]) for record in before + after} == {56}
    assert max(int(one["SequenceNumber"]) for one in before) < min(int(one["SequenceNumber"]) for one in after)
    assert {record["ShardId"] for record in after} == {"shardId-000000000002", "shardId-000000000004"}
    mapping.drain()
    delivered = [number for batch in function.batches for number in batch]
    assert sorted(delivered) == sorted(record["SequenceNumber"] for record in before + after)
    assert {*delivered[:40]} == {record["SequenceNumber"] for record in before}  # parents first


def test_a_record_that_always_fails_is_given_up_and_no_other(client: Callable[[str], Any]) -> None:
    queue = client("sqs").create_queue(QueueName="failures")["QueueUrl"]
    destination = {"DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:123456789012:failures"}}}
    put(client, 30)
    ended: set[str] = set()

    def answer(records: list[dict[str, Any]]) -> dict[str, Any] | None:
        if any(record["kinesis"]["data"] == "MTM=" for record in records):  # 13
            return None
        ended.update(record["kinesis"]["sequenceNumber"] for record in records)
        return {"batchItemFailures": []}

    function = Function(answer, **destination)
    mapping = mapping_of(client, function)
    mapping.drain()
    assert (len(ended), mapping.counts["given up"]) == (29, 1)
    (message,) = client("sqs").receive_message(QueueUrl=queue)["Messages"]
    info = json.loads(message["Body"])["KinesisBatchInfo"]
    assert (info["batchSize"], info["startSequenceNumber"]) == (1, info["endSequenceNumber"])
    assert info["startSequenceNumber"] not in ended
    assert function.batches.count([info["startSequenceNumber"]]) == 3  # and two retries


def test_after_a_partial_failure_delivery_goes_on_at_the_record_that_is_named(client: Callable[[str], Any]) -> None:
    put(client, 20)
    failed: list[str] = []

    def answer(records: list[dict[str, Any]]) -> dict[str, Any]:
        if len(records) > 4 and not failed:
            failed.append(records[4]["kinesis"]["sequenceNumber"])
            return {"batchItemFailures": [{"itemIdentifier": failed[0]}]}
        return done()

    function = Function(answer)
    mapping_of(client, function).drain()
    at = next(number for number, batch in enumerate(function.batches) if failed[0] in batch)
    assert function.batches[at + 1] == function.batches[at][4:]
    without = Function(answer, FunctionResponseTypes=[])
    failed.clear()
    mapping_of(client, without).drain()
    assert sum(map(len, without.batches)) == 20  # the answer is not read


def test_batches_come_again_with_other_borders_and_in_order(client: Callable[[str], Any]) -> None:
    sent = put(client, 60)["Records"]
    function = Function(done, BatchSize=9)
    mapping = mapping_of(client, function, again=0.5)
    mapping.drain()
    assert {number for batch in function.batches for number in batch} == {one["SequenceNumber"] for one in sent}
    assert mapping.counts["delivered again"] > 20
    assert all(batch == sorted(batch) for batch in function.batches)


def test_a_stream_may_take_a_part_of_a_request(streams: Streams, client: Callable[[str], Any]) -> None:
    streams.refuses = lambda key: key == "K3"
    answer = put(client, 14)
    assert (answer["FailedRecordCount"], streams.refused) == (2, 2)
    assert [number for number, one in enumerate(answer["Records"]) if "ErrorCode" in one] == [3, 10]
