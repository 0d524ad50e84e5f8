"""Kinesis on moto's server as AWS has it, where moto differs and would hide a fault of a consumer.

moto 5.2.5 puts records into closed shards, moves those of a split shard into its children, numbers them from 1 in
every shard, and never ends a closed one. Here closed shards keep their records and end, and numbers have 56 digits.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import md5
from typing import Any
from unittest.mock import patch

from moto.kinesis.models import KinesisBackend, Record, Shard, Stream

_numbers = itertools.count(4 * 10**55)


@contextmanager
def faithful_kinesis() -> Iterator[None]:
    """Let moto's Kinesis treat shards as AWS does."""
    split, merge, read = Stream.split_shard, Stream.merge_shards, KinesisBackend.get_records

    def put_record(self: Shard, partition_key: str, data: str, explicit_hash_key: str) -> str:
        number = next(_numbers)
        self.records[number] = Record(partition_key, data, number, explicit_hash_key)
        return str(number)

    def shard_of(self: Stream, partition_key: str, explicit_hash_key: str) -> Shard:
        key = int(explicit_hash_key or str(int(md5(partition_key.encode()).hexdigest(), 16)))
        return next(
            shard for shard in self.shards.values() if shard.is_open and shard.starting_hash <= key <= shard.ending_hash
        )

    def keeping(change: Any) -> Any:
        def changed(self: Stream, shard: str, other: str) -> None:
            kept = {name: self.shards[name].records for name in (shard, other) if name in self.shards}
            for name in kept:
                self.shards[name].records = OrderedDict()
            try:
                change(self, shard, other)
            finally:
                for name, records in kept.items():
                    self.shards[name].records = records

        return changed

    def get_records(self: KinesisBackend, arn: Any, iterator: str, limit: Any) -> Any:
        following, records, behind = read(self, arn, iterator, limit)
        from moto.kinesis.utils import decompose_shard_iterator

        name, shard_name, last = decompose_shard_iterator(following)
        shard = self.describe_stream(stream_arn=arn, stream_name=name).get_shard(shard_name)
        is_at_end = not shard.is_open and int(last) >= shard.get_max_sequence_number()
        return (None if is_at_end else following), records, behind

    with ExitStack() as stack:
        for target, name, function in (
            (Shard, "put_record", put_record),
            (Stream, "get_shard_for_key", shard_of),
            (Stream, "split_shard", keeping(split)),
            (Stream, "merge_shards", keeping(merge)),
            (KinesisBackend, "get_records", get_records),
        ):
            stack.enter_context(patch.object(target, name, function))
        yield
