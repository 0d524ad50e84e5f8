"""Live: from the frames of a feed to bars, on one core, and what a state costs."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.journal import open_journal, position_of
from stockstream.pipeline.live.state import StateTable, state_of
from tests.benchmarks._harness import Figure, main, spent
from tests.pipeline.live.feed import SESSION, frames, names, seconds

MAX_MICROSECONDS = 1e6 / 300_000
"""At least 300,000 events per second."""
PER_FRAME = 100


def measure(quick: bool) -> Iterator[Figure]:
    symbols, count = (200, 20) if quick else (5_000, 60)
    feed = frames(seconds(_names(symbols), count), PER_FRAME)
    events = sum(len(json.loads(frame)) for frame in feed)
    what = f"{events:,} second aggregates of {symbols:,} symbols"
    counts: Counter[str] = Counter()
    decoding = min(spent(lambda: [decode(frame, counts) for frame in feed]).cpu for _ in range(3))
    yield Figure(f"decode {what}", 1e6 * decoding / events, "µs CPU per event")
    folds: list[Fold] = []

    def fold_all() -> None:
        fold = Fold(SESSION)
        for number, frame in enumerate(feed):
            fold.apply(position_of(number + 1), decode(frame, fold.counts))
        folds.append(fold)

    folding = min(spent(fold_all).cpu for _ in range(3))
    goal = None if quick else MAX_MICROSECONDS
    yield Figure("decode and fold", 1e6 * folding / events, "µs CPU per event", goal)
    yield Figure("events that are not in a bar", folds[-1].counts.total(), "events", 0)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        lake = Lake(folder)
        journal = open_journal(lake, SESSION.date, "")
        journaling = spent(lambda: [journal.append(frame) for frame in feed] and journal.sync()).cpu
        yield Figure("journal in a folder", 1e6 * journaling / events, "µs CPU per event")
        states = StateTable(lake, SESSION.date)
        saving = min(spent(lambda: states.save(state_of(folds[-1], "benchmark", "1"))).cpu for _ in range(3))
        yield Figure(f"save the state of {symbols:,} symbols", 1e3 * saving, "ms CPU")


def _names(count: int) -> list[str]:
    """Return different symbols of one to four letters."""
    return [f"{name}{number // 17_576 or ''}" for number, name in enumerate(names(count))]


if __name__ == "__main__":
    main("Live", measure)
