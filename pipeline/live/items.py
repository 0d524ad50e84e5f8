"""The state of a session in DynamoDB: one item per symbol and session, for consumers of a shared log such as Kinesis.

A log delivers batches again, and with other borders: after a crash, a partial failure, or because a batch was halved.
A condition on the whole batch would lose what another batch had only in part. So each item has its own position: `fold`
reads the items of the symbols in a batch, folds only the records behind each item's position, and writes each item back
only if its position is still the one that was read. A consumer that dies between two writes leaves both items right.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.live.bar import Bar
from stockstream.pipeline.live.events import KINDS, Status, decode
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.state import Row, bar_of, row_of

PER_READ = 100
"""Items per request."""
WRITERS = 16
"""Items that are written at the same time."""
CLIENT = Config(retries={"mode": "standard", "total_max_attempts": 6}, max_pool_connections=WRITERS)
"""What a client of DynamoDB is created with: it waits and tries again if the table is throttled."""
KEPT_SECONDS = 10 * 86_400
"""Time after which an item expires."""
COLUMNS = ("open", "high", "low", "close", "volume", "change", "change_percent", "moving_average", "missed", "at")
"""The columns of a bar that are attributes of their own, for readers without this program."""
_ATTEMPTS = 8
_READS = 8
"""Attempts to read the items that an answer of DynamoDB has left out."""
_SEQUENCE = 64
"""Digits of a position: Kinesis has 56, and a number in DynamoDB at most 38."""
_SHARD = 12
"""Digits of the number of a shard."""
_TAGS = {kind: tag for tag, kind in KINDS.items()}


def padded(sequence: str) -> str:
    """Return a sequence number of Kinesis as a text that sorts as its number."""
    return sequence.rjust(_SEQUENCE, "0")


def position_in(shard: str, sequence: str) -> str:
    """Return the position of a record: the number of the shard, then that in it.

    A symbol is in one shard at a time, and after a split or a merge in one with a larger number, whose sequence numbers
    need not continue those of the shard before: the emulator's begin at 1.
    """
    return f"{shard.rsplit('-', 1)[-1].rjust(_SHARD, '0')}-{padded(sequence)}"


class UnwrittenError(LakeError):
    """The items of some symbols could not be written; those of the others were."""

    def __init__(self, message: str, symbols: Collection[str]) -> None:
        super().__init__(message)
        self.symbols = frozenset(symbols)


@dataclass(frozen=True)
class Item:
    """An item as it was read."""

    row: Row
    kind: type[Any] | None
    """Type of the events in the bar; others would count volume twice."""
    revision: int
    """Number of writes: an item may be written back only if it is still that which was read."""

    @property
    def bar(self) -> Bar:
        """A new bar, which the fold may change."""
        return bar_of(self.row)


class ItemTable:
    """The items of a session in a table with the keys `symbol` and `session`; `make_fold` returns an empty fold.

    `counts` has what was not used by reason. A write that DynamoDB refuses for its content, because an item is larger
    than 400 KB, is counted as well: no attempt would succeed, and it must not block the records behind it.
    """

    def __init__(self, client: Any, table: str, make_fold: Callable[[], Fold]) -> None:
        self._client, self._table, self._make_fold = client, table, make_fold
        self._session = make_fold().session.date
        self.counts: Counter[str] = Counter()

    def fold(self, records: Sequence[tuple[str, bytes]]) -> dict[str, Bar]:
        """Fold the frames of a batch, in their order, each with its position. See `fold_events`."""
        faults: Counter[str] = Counter()
        events = [(position, decode(frame, faults)) for position, frame in records]
        self.counts += faults
        return self.fold_events(events)

    def fold_events(self, records: Sequence[tuple[str, Sequence[Any]]]) -> dict[str, Bar]:
        """Fold the events of records, in their order; return the bars that were written, by symbol.

        Raises:
            UnwrittenError: some items cannot be written, or other consumers write them all the time.
            LakeError: the table cannot be read; nothing was written.
        """
        symbols = self._symbols({event.symbol for _, one in records for event in one if not isinstance(event, Status)})
        names = set(symbols)
        written: dict[str, Bar] = {}
        counts = self.counts
        for _ in range(_ATTEMPTS):
            items = self._restored(set(filter(None, (symbols[name] for name in names))))
            changed, faults = self._folded(records, {name: symbols[name] for name in names}, items)
            counts += faults
            counts = Counter()  # an event counts once
            lost = self._write(changed, items)
            written |= {symbol: bar for symbol, (bar, _) in changed.items() if symbol not in lost}
            names = {name for name in names if symbols[name] in lost}
            if not names:
                return written
        late = sorted({str(symbols[name]) for name in names})
        raise UnwrittenError(f"the items of {', '.join(late[:3])} are written by other consumers all the time", late)

    def bars(self, symbols: Iterable[str]) -> dict[str, Bar]:
        """Return the stored bars of some symbols, by symbol."""
        return {symbol: item.bar for symbol, item in self._restored(set(symbols)).items()}

    def items(self, symbols: Iterable[str]) -> dict[str, Item]:
        """Return the items of some symbols that have not expired; of all symbols if none is named.

        Raises:
            LakeError: the table cannot be read.
        """
        listed = sorted(set(symbols))
        stored = self._read(listed) if listed else self._scan()
        return {item.row.symbol: item for item in map(_item, stored) if item is not None}

    def replace(self, item: Item, bar: Bar) -> bool:
        """Write another bar in place of an item, unless a consumer has written it since; return whether it was."""
        kind = _TAGS.get(item.kind) if item.kind else None
        return self._put(item.row.memory.name, bar, kind, item.revision)

    def _symbols(self, names: Iterable[str]) -> dict[str, str | None]:
        """Return the symbol per name of the feed; None if the name is not that of a symbol."""
        fold = self._make_fold()
        return {name: fold.symbol_of(name) for name in names}

    def _restored(self, symbols: set[str]) -> dict[str, Item]:
        """Return the items of the symbols of a batch."""
        return self.items(symbols) if symbols else {}

    def _folded(
        self, records: Sequence[tuple[str, Sequence[Any]]], symbols: Mapping[str, str | None], items: Mapping[str, Item]
    ) -> tuple[dict[str, tuple[Bar, str | None]], Counter[str]]:
        """Return the bars that records change by symbol, each with the kind of its events and its name in the feed."""
        kinds: dict[str, type[Any]] = {symbol: item.kind for symbol, item in items.items() if item.kind}
        mine: list[tuple[str, list[Any]]] = []
        for position, events in records:
            used = [event for event in events if not isinstance(event, Status) and event.symbol in symbols]
            mine.append((position, used))
            for event in used:
                kinds.setdefault(symbols[event.symbol] or "", type(event))
        changed: dict[str, tuple[Bar, str | None]] = {}
        counts: Counter[str] = Counter()
        for kind in set(kinds.values()):
            fold = self._make_fold()
            fold.kind = kind
            bars: dict[str, Bar] = {}
            for name, symbol in symbols.items():  # a symbol may have several names, and has one bar
                if symbol and kinds.get(symbol) is kind:
                    bars[symbol] = bars.get(symbol) or (items[symbol].bar if symbol in items else fold.empty(symbol))
                    fold.bars[name] = bars[symbol]
            for position, events in mine:
                fold.apply(position, [one for one in events if kinds[symbols[one.symbol] or ""] is kind])
            counts += fold.counts
            for symbol, bar in bars.items():
                if bar.position != (items[symbol].row.memory.position if symbol in items else ""):
                    changed[symbol] = bar, _TAGS[kind]
        return changed, counts

    def _write(self, changed: Mapping[str, tuple[Bar, str | None]], items: Mapping[str, Item]) -> set[str]:
        """Write bars; return the symbols that another consumer has written since they were read.

        Raises:
            UnwrittenError: some cannot be written.
        """
        failures: dict[str, LakeError] = {}

        def write(symbol: str) -> bool:
            bar, kind = changed[symbol]
            item = items.get(symbol)
            try:
                return self._put(self._name(symbol, item), bar, kind, item.revision if item else None)
            except LakeError as error:
                failures[symbol] = error
                return True

        listed = sorted(changed)
        with ThreadPoolExecutor(WRITERS) as pool:
            lost = {symbol for symbol, done in zip(listed, pool.map(write, listed), strict=True) if not done}
        if failures:
            raise UnwrittenError(str(next(iter(failures.values()))), failures)
        return lost

    def _name(self, symbol: str, item: Item | None) -> str:
        """Return a name that the feed has for a symbol."""
        return item.row.memory.name if item else symbol

    def _scan(self) -> Iterator[dict[str, Any]]:
        """Yield the items of the session, from all of the table: only a lake without companies needs it."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "FilterExpression": "#session = :session",
            "ExpressionAttributeNames": {"#session": "session"},
            "ExpressionAttributeValues": {":session": {"S": self._session}},
            "ConsistentRead": True,
        }
        while request:
            answer = self._call("scan", **request)
            yield from answer["Items"]
            last = answer.get("LastEvaluatedKey")
            request = {**request, "ExclusiveStartKey": last} if last else {}

    def _read(self, symbols: Sequence[str]) -> Iterator[dict[str, Any]]:
        keys = [{"symbol": {"S": symbol}, "session": {"S": self._session}} for symbol in symbols]
        for at in range(0, len(keys), PER_READ):
            request = {self._table: {"Keys": keys[at : at + PER_READ], "ConsistentRead": True}}
            for attempt in range(_READS):
                answer = self._call("batch_get_item", RequestItems=request)
                yield from answer["Responses"][self._table]
                request = answer.get("UnprocessedKeys") or {}
                if not request:
                    break
                time.sleep(0.05 * 2**attempt)
            if request:
                raise LakeError(f"the table {self._table} of live bars is throttled: it does not return all items")

    def _put(self, name: str, bar: Bar, kind: str | None, before: int | None) -> bool:
        """Write an item if its revision is still the one that was read (None: there was none); return whether it was.

        Raises:
            LakeError: the table cannot be written.
        """
        row = row_of(name, bar)
        now = int(time.time())
        numbers = {column: getattr(row, column) for column in COLUMNS}
        item = {
            "symbol": {"S": bar.symbol},
            "session": {"S": self._session},
            "position": {"S": bar.position},
            "revision": {"N": str((before or 0) + 1)},
            "bar": {"S": msgspec.json.encode(row).decode()},
            "expires_at": {"N": str(now + KEPT_SECONDS)},
            **({"kind": {"S": kind}} if kind else {}),
            **{column: {"N": str(Decimal(repr(number)))} for column, number in numbers.items() if number is not None},
        }
        is_new = "attribute_not_exists(revision) OR expires_at <= :now"
        values = {":now": {"N": str(now)}} if before is None else {":before": {"N": str(before)}}
        try:
            self._call(
                "put_item",
                TableName=self._table,
                Item=item,
                ConditionExpression=is_new if before is None else "revision = :before",
                ExpressionAttributeValues=values,
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
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            if operation == "put_item" and code == "ValidationException":
                self.counts["item refused"] += 1
                return {}
            raise LakeError(f"the table {self._table} of live bars: {error}") from None


def _item(stored: Mapping[str, Any]) -> Item | None:
    """Return a stored item; None if it has expired."""
    if int(stored["expires_at"]["N"]) <= time.time():
        return None
    row = msgspec.json.decode(stored["bar"]["S"], type=Row)
    return Item(row, KINDS.get(stored.get("kind", {}).get("S", "")), int(stored["revision"]["N"]))
