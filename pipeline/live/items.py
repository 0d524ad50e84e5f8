"""The state of a session in DynamoDB: one item per symbol and session, for consumers of a shared log such as Kinesis.

A log delivers batches again, and with other borders: after a crash, a partial failure, or because a batch was halved.
A condition on the whole batch would lose what another batch had only in part. So each item has its own position: `fold`
reads the items of the symbols in a batch, folds only the records behind each item's position, and writes each item back
only if its position is still the one that was read. A consumer that dies between two writes leaves both items right.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.live.bar import Bar
from stockstream.pipeline.live.events import Status, decode
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.state import Row, bar_of, row_of

PER_READ = 100
"""Items per request."""
KEPT_SECONDS = 10 * 86_400
"""Time after which DynamoDB may delete an item."""
COLUMNS = ("open", "high", "low", "close", "volume", "change", "change_percent", "moving_average", "missed", "at")
"""The columns of a bar that are attributes of their own, for readers without this program."""
_ATTEMPTS = 8
_SEQUENCE = 64
"""Digits of a position: Kinesis has 56, and a number in DynamoDB at most 38."""


def padded(sequence: str) -> str:
    """Return a sequence number of Kinesis as a position, a text that sorts as its number."""
    return sequence.rjust(_SEQUENCE, "0")


class ItemTable:
    """The items of a session in a table with the keys `symbol` and `session`; `make_fold` returns an empty fold."""

    def __init__(self, client: Any, table: str, make_fold: Callable[[], Fold]) -> None:
        self._client, self._table, self._make_fold = client, table, make_fold
        self._session = make_fold().session.date
        self.counts: Counter[str] = Counter()

    def fold(self, records: Sequence[tuple[str, bytes]]) -> dict[str, Bar]:
        """Fold the records of a batch, in their order, each with its position; return the bars that were written.

        Raises:
            LakeError: the table cannot be read or written, or other consumers write the same items all the time.
        """
        faults: Counter[str] = Counter()
        events = [(position, decode(frame, faults)) for position, frame in records]
        self.counts += faults
        names = {event.symbol for _, batch in events for event in batch if not isinstance(event, Status)}
        written: dict[str, Bar] = {}
        for attempt in range(_ATTEMPTS):
            fold, before = self._restored(names)
            for position, batch in events:
                mine = [event for event in batch if isinstance(event, Status) or event.symbol in names]
                fold.apply(position, mine)
            changed = {name for name, bar in fold.bars.items() if bar.position != before.get(name, "")}
            if attempt == 0:
                self.counts += fold.counts
            lost = {name for name in sorted(changed) if not self._put(name, fold.bars[name], before.get(name, ""))}
            written |= {name: fold.bars[name] for name in changed - lost}
            names = lost
            if not lost:
                return written
        raise LakeError(f"the items of {', '.join(sorted(names)[:3])} are written by other consumers all the time")

    def bars(self, symbols: Iterable[str]) -> dict[str, Bar]:
        """Return the stored bars of some symbols, by the feed's name."""
        return {row.memory.name: bar_of(row) for row in self._read(symbols)}

    def _restored(self, names: set[str]) -> tuple[Fold, dict[str, str]]:
        """Return a fold with the stored bars of some names, and the position of each."""
        fold = self._make_fold()
        symbols = {name if fold.names is None else fold.names.get(name) for name in names} - {None}
        for row in self._read(filter(None, symbols)):
            fold.bars[row.memory.name] = bar_of(row)
        return fold, {name: bar.position for name, bar in fold.bars.items()}

    def _read(self, symbols: Iterable[str]) -> list[Row]:
        keys = [{"symbol": {"S": symbol}, "session": {"S": self._session}} for symbol in sorted(set(symbols))]
        rows = []
        for at in range(0, len(keys), PER_READ):
            request = {self._table: {"Keys": keys[at : at + PER_READ], "ConsistentRead": True}}
            while request:
                answer = self._call("batch_get_item", RequestItems=request)
                rows += [msgspec.json.decode(item["bar"]["S"], type=Row) for item in answer["Responses"][self._table]]
                request = answer.get("UnprocessedKeys") or {}
                if request:
                    time.sleep(0.05)
        return rows

    def _put(self, name: str, bar: Bar, before: str) -> bool:
        """Write an item if its position is still the one that was read; return whether it was."""
        row = row_of(name, bar)
        numbers = {column: getattr(row, column) for column in COLUMNS}
        item = {
            "symbol": {"S": bar.symbol},
            "session": {"S": self._session},
            "position": {"S": bar.position},
            "bar": {"S": msgspec.json.encode(row).decode()},
            "expires_at": {"N": str(int(time.time()) + KEPT_SECONDS)},
            **{column: {"N": str(Decimal(repr(number)))} for column, number in numbers.items() if number is not None},
        }
        try:
            self._call(
                "put_item",
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(#p) OR #p = :before",
                ExpressionAttributeNames={"#p": "position"},
                ExpressionAttributeValues={":before": {"S": before or "none"}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return getattr(self._client, operation)(**parameters)  # type: ignore[no-any-return]
        except self._client.exceptions.ConditionalCheckFailedException:
            raise
        except (ClientError, BotoCoreError) as error:
            raise LakeError(f"the table {self._table} of live bars: {error}") from None
