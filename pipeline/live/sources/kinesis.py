"""`kinesis`: a Kinesis stream that a producer fills, read by one consumer on this machine: `kinesis:NAME`.

The stream is a log, in which this source has a mark per shard: the sequence number of the newest record whose events
are folded. Marks are frames of the journal, behind those of the records, and a part of the state. So a restart
continues where it was; what a crash leaves between records and their mark is read again, and recognised by the fold.

Shards are read to their end before those that a split or a merge has made of them, which keeps the order per symbol.
How far behind the stream is (`MillisBehindLatest`) is not used: an emulator always answers 0.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from stockstream.pipeline.errors import SourceError, UsageError
from stockstream.pipeline.live.sink import is_passing, kinesis_client, refusal
from stockstream.pipeline.live.sources.base import MARK, Feed, Plan

PAUSE = 0.25
"""Seconds between two requests to a shard: five a second are allowed, and others may read, too."""
MAX_RECORDS = 2000
"""Records of an answer."""
MAX_WAIT = 10.0


@dataclass
class _Shard:
    """A shard, and how far it has been read."""

    name: str
    parents: frozenset[str]
    mark: str | None
    iterator: str | None = None
    is_read: bool = False
    """Whether it is closed and has been read to its end."""
    not_before: float = 0.0
    failures: int = 0


@dataclass
class KinesisFeed(Feed):
    """The records of a stream, oldest first, from the beginning of the session's day or behind the marks."""

    name = "kinesis"
    has_all = True
    is_log = True
    stream: str = ""
    client: Any = field(default=None, repr=False)
    pause: float = PAUSE
    _shards: dict[str, _Shard] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, argument: str, plan: Plan) -> Self:
        """Return the source."""
        if not argument:
            raise UsageError("--source kinesis needs the name of a stream: write kinesis:NAME")
        return cls(plan, stream=argument, client=kinesis_client())

    async def frames(self, skip: int = 0) -> AsyncIterator[bytes]:
        """Yield the data of the records, and after those of an answer its mark."""
        await self._list()
        while True:
            began = time.monotonic()
            for shard in self._readable():
                if shard.not_before > time.monotonic():
                    continue
                records = await asyncio.to_thread(self._read, shard)
                for record in records:
                    data = record["Data"]
                    yield b" " + data if data.startswith(MARK) else data  # only we set marks
                if records:
                    shard.mark = records[-1]["SequenceNumber"]
                    yield MARK + f' "message":"{shard.name} {shard.mark}"}}]'.encode()
            if any(shard.is_read for shard in self._shards.values()):
                await self._list()
            await asyncio.sleep(max(0.0, began + self.pause - time.monotonic()))

    def _readable(self) -> list[_Shard]:
        """Return the shards whose parents have been read to their ends."""
        waiting = {name for name, shard in self._shards.items() if not shard.is_read}
        return [shard for shard in self._shards.values() if not shard.is_read and not shard.parents & waiting]

    async def _list(self) -> None:
        """Add the shards of the stream that are new.

        Raises:
            SourceError: there is no such stream, or it may not be read.
        """
        wait = 0.5
        while True:
            try:
                listed = await asyncio.to_thread(self._listed)
                break
            except (ClientError, BotoCoreError) as error:
                self._note(error)
            await asyncio.sleep(wait)
            wait = min(2 * wait, MAX_WAIT)
        for one in listed:
            name = one["ShardId"]
            if name not in self._shards:
                parents = frozenset(one[key] for key in ("ParentShardId", "AdjacentParentShardId") if one.get(key))
                self._shards[name] = _Shard(name, parents, self.marks.get(name))
        self.notes["shards"] = sum(not shard.is_read for shard in self._shards.values())

    def _listed(self) -> list[dict[str, Any]]:
        answer = self.client.list_shards(StreamName=self.stream)
        shards: list[dict[str, Any]] = answer["Shards"]
        while token := answer.get("NextToken"):
            answer = self.client.list_shards(NextToken=token)
            shards += answer["Shards"]
        return shards

    def _read(self, shard: _Shard) -> list[dict[str, Any]]:
        """Return the next records of a shard; none if there are none for now, or the request must be repeated.

        Raises:
            SourceError: no attempt can succeed.
        """
        try:
            if shard.iterator is None:
                shard.iterator = self._iterator(shard)
            answer = self.client.get_records(ShardIterator=shard.iterator, Limit=MAX_RECORDS)
        except (ClientError, BotoCoreError) as error:
            shard.iterator = None  # the next one begins behind the mark
            self._note(error)
            shard.failures += 1
            shard.not_before = time.monotonic() + min(self.pause * 2**shard.failures, MAX_WAIT)
            return []
        shard.failures = 0
        shard.iterator = answer.get("NextShardIterator")
        records: list[dict[str, Any]] = answer["Records"]
        shard.is_read = shard.iterator is None
        return records

    def _iterator(self, shard: _Shard) -> str:
        """Return an iterator behind the mark, or from the beginning of the session's day."""
        where: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
        if shard.mark is not None:
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": shard.mark}
        elif self.plan.session is not None and not shard.parents & self._shards.keys():
            where = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self.plan.session.day_from / 1000}
        answer = self.client.get_shard_iterator(StreamName=self.stream, ShardId=shard.name, **where)
        return str(answer["ShardIterator"])

    def _note(self, error: ClientError | BotoCoreError) -> None:
        """Count a failure that passes.

        Raises:
            SourceError: it does not.
        """
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        if code == "ExpiredIteratorException":
            self.stats["expired_iterators"] += 1
            return
        if not is_passing(error):
            raise SourceError(refusal(self.stream, error))
        self.stats["throttled" if "Throughput" in code or "Limit" in code else "lost"] += 1
        self.notes["last_failure"] = f"{code}: {error}"[:200]
