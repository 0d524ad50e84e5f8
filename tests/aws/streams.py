"""Kinesis as AWS has it, where moto 5.2.5 differs. LoopbackAws patches moto with these functions.

- Sequence numbers have 56 digits, grow with gaps, and those of a shard that came of a split or a merge are larger than
  all of its parents'. Moto's are 1, 2, 3 in each shard.
- After a split or a merge the records stay in the closed shard, whose last iterator is null, and new ones go to the new
  shards. Moto moves the old ones to the new shards, under new numbers, and puts new ones into the closed shard.
- `MillisBehindLatest` is more than 0 while records are left.
- PutRecords may refuse some records of a request and take the others.
- An event source mapping reads batches (`mapping.py`). Moto invokes the function inside PutRecords, a record at a time,
  whatever the mapping's configuration is.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from hashlib import md5
from typing import Any
from unittest.mock import patch

from moto.awslambda.models import LambdaBackend
from moto.kinesis.models import KinesisBackend, Record, Shard, Stream
from moto.kinesis.utils import compose_shard_iterator, decompose_shard_iterator

FIRST = 49 * 10**54
PER_SHARD = 10**40
"""The numbers of a shard begin at this times its own number, which is larger than those of its parents."""
GAP = 1_234_567_891
MAX_READ = 10_000
"""Records per GetRecords."""


class Streams:
    """The behaviour of all streams of a server."""

    def __init__(self) -> None:
        self.refuses: Callable[[str], bool] = lambda key: False
        """Whether PutRecords refuses a record, by its partition key: the shard is at its limit."""
        self.refused = 0
        self._lock = threading.Lock()

    def patches(self) -> list[Any]:
        return [
            patch.object(Shard, "put_record", self._put_record()),
            patch.object(Stream, "split_shard", _split_shard),
            patch.object(Stream, "merge_shards", _merge_shards),
            patch.object(Stream, "get_shard_for_key", _get_shard_for_key),
            patch.object(KinesisBackend, "get_records", _get_records),
            patch.object(KinesisBackend, "put_records", self._put_records()),
            patch.object(LambdaBackend, "send_kinesis_message", lambda *_, **__: None),
        ]

    def _put_record(self) -> Any:
        lock = self._lock

        def put_record(shard: Shard, partition_key: str, data: str, explicit_hash_key: str) -> str:
            with lock:
                newest = shard.get_max_sequence_number() or FIRST + shard._shard_id * PER_SHARD
                number = newest + GAP
                shard.records[number] = Record(partition_key, data, number, explicit_hash_key)
            return str(number)

        return put_record

    def _put_records(self) -> Any:
        put_records = KinesisBackend.put_records

        def put(backend: KinesisBackend, stream_arn: str, stream_name: str, records: list[dict[str, Any]]) -> Any:
            refused = [self.refuses(record["PartitionKey"]) for record in records]
            taken = [record for record, one in zip(records, refused, strict=True) if not one]
            answer = put_records(backend, stream_arn, stream_name, taken)
            results = iter(answer["Records"])
            self.refused += sum(refused)
            error = {
                "ErrorCode": "ProvisionedThroughputExceededException",
                "ErrorMessage": f"Rate exceeded for shard in stream {stream_name} under account {backend.account_id}.",
            }
            return {
                "FailedRecordCount": sum(refused),
                "Records": [error if one else next(results) for one in refused],
            }

        return put


def _get_records(
    backend: KinesisBackend, stream_arn: str | None, shard_iterator: str, limit: int | None
) -> tuple[str | None, list[Record], int]:
    stream_name, shard_id, after = decompose_shard_iterator(shard_iterator)
    shard = backend.describe_stream(stream_arn, stream_name).get_shard(shard_id)
    behind = (record for number, record in list(shard.records.items()) if number > int(after))
    records = list(itertools.islice(behind, min(limit or MAX_READ, MAX_READ)))
    newest = records[-1].sequence_number if records else int(after)
    is_at_end = newest >= shard.get_max_sequence_number()
    waits = 0 if is_at_end else max(1, int(1000 * (time.time() - records[-1].created_at)))
    ended = is_at_end and not shard.is_open
    return None if ended else compose_shard_iterator(stream_name, shard, newest), records, waits


def _split_shard(stream: Stream, shard_to_split: str, new_starting_hash_key: str) -> None:
    parent, middle = stream.shards[shard_to_split], int(new_starting_hash_key)
    assert parent.is_open
    assert parent.starting_hash < middle < parent.ending_hash
    parent.is_open = False
    for low, high in ((parent.starting_hash, middle - 1), (middle, parent.ending_hash)):
        _add(stream, low, high, parent.shard_id, None)


def _merge_shards(stream: Stream, shard_to_merge: str, adjacent_shard_to_merge: str) -> None:
    one, other = (stream.shards[name] for name in (shard_to_merge, adjacent_shard_to_merge))
    assert one.is_open
    assert other.is_open
    assert one.ending_hash + 1 == other.starting_hash
    one.is_open = other.is_open = False
    _add(stream, one.starting_hash, other.ending_hash, one.shard_id, other.shard_id)


def _add(stream: Stream, low: int, high: int, parent: str, adjacent: str | None) -> None:
    shard = Shard(max(one._shard_id for one in stream.shards.values()) + 1, low, high, parent, adjacent)
    stream.shards[shard.shard_id] = shard


def _get_shard_for_key(stream: Stream, partition_key: str, explicit_hash_key: str) -> Shard:
    key = int(explicit_hash_key or md5(partition_key.encode()).hexdigest(), 10 if explicit_hash_key else 16)
    return next(one for one in stream.shards.values() if one.is_open and one.starting_hash <= key <= one.ending_hash)
