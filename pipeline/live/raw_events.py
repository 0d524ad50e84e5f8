"""Raw events in the lake: what came over a stream, as the vendor sent it, for the view `raw_events`.

A function that folds a batch of records puts it as one object, of JSON lines with gzip:

    raw_events/arrivals/date=2026-11-25/hour=15/SHARD-FIRST-LAST.jsonl.gz

The date is that of the events at the exchange (of what has none, that of the arrival), the hour that of the arrival
in UTC. The name has the sequence numbers of the first and the last record, so that a batch that is delivered again
replaces nothing; one with other borders is a further object, and the view shows an event once.

Why not an object per symbol and batch, as a reader of one symbol would like: S3 takes $0.005 per 1,000 puts. All US
stocks by the second are about 10,000 symbols in batches of 10 seconds: 10,000 × 2,340 = 23.4 million puts a session,
$117 a day. One object per batch of four shards is 4 × 2,340 = 9,360 puts, $0.05 a day. When the session is over, its
events are written again in the order of symbols (`arranging.py`), as one file per 32 MB: less than a cent a day.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from stockstream.pipeline.errors import Conflict
from stockstream.pipeline.lake import RAW_EVENTS
from stockstream.pipeline.store import Store
from stockstream.sql.loader import HOME

FOLDER = "raw_events/"
ARRIVALS = f"{FOLDER}arrivals/"
SEEDS = {
    f"{ARRIVALS}date=0001-01-01/hour=00/none.jsonl.gz": gzip.compress(b"", mtime=0),
    f"{FOLDER}days/date=0001-01-01/none.parquet": (HOME / "schema/raw_events.parquet").read_bytes(),
    RAW_EVENTS: b"{}",
}
"""Objects without a row, and at last the marker."""
_LEVEL = 6


class RawEvent(msgspec.Struct):
    """An event as it came, or a part of a record that is none."""

    symbol: str | None
    """The feed's name of the symbol; None for what could not be decoded."""
    kind: str
    """A, AM, T or D as in a frame, or the reason why it could not be decoded."""
    at: int | None
    """The event's own time, in milliseconds since 1970, UTC."""
    arrived_at: int
    """Time at which the stream has taken the record, by its own clock."""
    position: str
    """Shard and sequence number of the record."""
    event: str
    """Its text."""


def arrival_key(day: str, arrived_at: int, shard: str, first: str, last: str) -> str:
    """Return the key of the events of one day in a batch of records."""
    hour = datetime.fromtimestamp(arrived_at / 1000, UTC).hour
    return f"{ARRIVALS}date={day}/hour={hour:02d}/{shard.rsplit('-', 1)[-1]}-{first}-{last}.jsonl.gz"


def prepare(store: Store) -> None:
    """Let the view find raw events in a lake.

    Raises:
        LakeError: the lake cannot be written.
    """
    if store.get(RAW_EVENTS) is None:
        for key, data in SEEDS.items():
            with suppress(Conflict):  # it is there already
                store.put(key, data, replaces=None)


def put_arrivals(store: Store, key: str, events: Iterable[RawEvent]) -> None:
    """Put the events of a batch; nothing if the same batch is there.

    Raises:
        LakeError: the lake cannot be written.
    """
    text = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
    try:
        store.put(key, gzip.compress(text, _LEVEL, mtime=0), replaces=None)
    except Conflict:
        return
