"""The fold: exactly once, whatever is delivered again; what is missed; what is never in a bar."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.pipeline.live.bar import SCALE, Bar
from stockstream.pipeline.live.events import Minute, Second, Trade, decode
from stockstream.pipeline.live.fold import WINDOW, Fold
from tests.conftest import SHARED
from tests.pipeline.live.feed import CLOSES, OPENS, SESSION, expected, frames, seconds, unreliable


def fold_of(events: list[dict[str, Any]], **options: Any) -> Fold:
    fold = Fold(SESSION, **options)
    for number, frame in enumerate(frames(events)):
        fold.apply(f"{number:020d}", decode(frame, fold.counts))
    return fold


def prices(fold: Fold) -> dict[str, tuple[float, float, float, float, float]]:
    return {
        bar.symbol: (bar.open, bar.high, bar.low, bar.close, bar.volume / SCALE)
        for bar in fold.bars.values()
        if bar.events
    }


def second(**values: Any) -> dict[str, Any]:
    return {"ev": "A", "sym": "BHP", "v": 100, "o": 10.0, "h": 10.0, "l": 10.0, "c": 10.0, "s": OPENS} | values


def test_a_split_day_has_the_previous_close_in_the_shares_of_the_session() -> None:
    """NVDA closed at 1,208.88 before its 10:1 split, and opened at 120.37: a change of -0.4 %, not of -90 %."""
    event = second(sym="NVDA", o=120.37, h=121.0, l=120.0, c=120.4)
    bar = fold_of([event], closes={"NVDA": 1208.88 / 10}, splits={"NVDA": 10.0}).bars["NVDA"]
    assert bar.change_percent == pytest.approx(100 * (120.4 / 120.888 - 1))
    assert bar.change == pytest.approx(-0.488)
    assert bar.split_ratio == 10


def test_the_columns_of_the_seeds() -> None:
    bar = fold_of([second(o=10.0, h=12.0, l=9.0, c=11.0)], closes={"BHP": 10.0}).bars["BHP"]
    assert (bar.change, bar.change_percent, bar.moving_average) == (1.0, pytest.approx(10.0), 10.5)


def test_a_symbol_without_a_previous_close_has_no_change() -> None:
    bar = fold_of([second()]).bars["BHP"]
    assert (bar.change, bar.change_percent) == (None, None)


def test_bars_equal_an_independent_aggregation() -> None:
    events = seconds(20, 120)
    assert prices(fold_of(events)) == expected(events)


SEEDS = st.integers(0, 2**32)


@given(SEEDS)
def test_neither_order_nor_duplicates_within_the_window_change_a_bar(seed: int) -> None:
    rng = random.Random(seed)
    events = seconds(3, 60, seed=rng.randrange(1000))
    for event in events:
        event["v"] += rng.choice((0, 0.5, 0.1))
    assert prices(fold_of(unreliable(events, rng))) == prices(fold_of(events))


@given(SEEDS)
def test_records_delivered_again_in_any_batches_change_nothing(seed: int) -> None:
    """A consumer gets records again from any place before, in other batches, after the window of their identities."""
    rng = random.Random(seed)
    events = seconds(2, 150, step=14, seed=rng.randrange(1000))
    records = [(f"{n:020d}", frame) for n, frame in enumerate(frames(unreliable(events, rng), 17))]
    fold, done = Fold(SESSION), 0
    while done < len(records):
        first = max(0, done - rng.choice((0, 0, 3, len(records))))
        done = min(len(records), done + rng.randrange(1, 9))
        for position, frame in records[first:done]:
            fold.apply(position, decode(frame, fold.counts))
    assert prices(fold) == expected(events)


def test_a_late_event_never_moves_the_close() -> None:
    events = [second(s=OPENS + 5000, c=10.0), second(s=OPENS + 1000, o=11.0, h=12.0, l=8.0, c=11.0, v=50)]
    bar = fold_of(events).bars["BHP"]
    assert (bar.close, bar.high, bar.low, bar.open, bar.volume) == (10.0, 12.0, 8.0, 11.0, 150 * SCALE)
    assert bar.late == 1


def test_an_event_older_than_the_window_is_counted_and_missed() -> None:
    new, old = second(s=OPENS + WINDOW + 1000, av=150, op=10.0), second(s=OPENS, v=50, h=99.0, av=50)
    fold = fold_of([new, old])
    bar = fold.bars["BHP"]
    assert fold.counts["too late"] == 1
    assert (bar.high, bar.missed) == (10.0, 50.0)


def test_missed_is_exact_per_symbol_after_lossy_disconnects() -> None:
    events = seconds(100, 60)
    lost = [e for e in events if 20_000 <= e["s"] - OPENS < 27_000 or (e["s"] - OPENS == 40_000 and e["sym"] < "ACM")]
    gone = {(e["sym"], e["s"]) for e in lost}
    fold = fold_of([e for e in events if (e["sym"], e["s"]) not in gone])
    want: Counter[str] = Counter()
    for event in lost:
        want[event["sym"]] += event["v"]
    missed = {bar.symbol: bar.missed for bar in fold.bars.values() if bar.missed}
    assert missed == want
    assert len(missed) > 90
    # The events arrive after all: nothing is missed, and no bar differs from one without the disconnects.
    for number, frame in enumerate(frames(lost)):
        fold.apply(f"{1 << 40}-{number:020d}", decode(frame, fold.counts))
    assert {bar.missed for bar in fold.bars.values()} == {0.0}
    assert prices(fold) == expected(events)


def test_what_was_traded_before_the_start_is_missed_and_the_open_is_the_official_one() -> None:
    bar = fold_of([second(o=10.5, h=10.5, l=10.5, c=10.5, v=100, av=5100, op=10.0)]).bars["BHP"]
    assert (bar.missed, bar.open, bar.low) == (5000.0, 10.0, 10.0)


def test_the_hours_before_and_after_the_session_are_not_in_the_bar_and_not_missed() -> None:
    events = [
        second(s=OPENS - 60_000, v=30, av=30, h=50.0),
        second(s=OPENS, v=100, av=130),
        second(s=CLOSES, v=20, av=150, l=1.0),
    ]
    fold = fold_of(events)
    bar = fold.bars["BHP"]
    assert (bar.high, bar.low, bar.volume, bar.missed) == (10.0, 10.0, 100 * SCALE, 0.0)
    assert fold.counts["outside the session"] == 2


BAD = {
    "impossible price": [second(l=-1.0), second(h=9.0), second(o=11.0), second(c=10.5), second(h=1e300), second(l=0.0)],
    "impossible volume": [second(v=-1), second(v=1e200)],
    "another day": [second(s=OPENS - 86_400_000), second(s=OPENS + 86_400_000), second(s=-5000)],
    "not the start of an interval": [second(s=OPENS + 1)],
    "unknown symbol": [second(sym="NOPE")],
    "unknown type": [{"ev": "Q", "sym": "BHP"}, {"ev": "LULD"}],
    "malformed event": [second(o="x"), second(v=None), {"ev": "A"}, {}, 3, None, "A", [1]],
    "another kind of event": [second(ev="AM")],
    "status": [{"ev": "status", "status": "success"}],
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_input_is_counted_by_reason_and_never_in_a_bar(reason: str) -> None:
    clean = [second(s=OPENS + 1000 * n) for n in range(3)]
    fold = fold_of([clean[0], *BAD[reason], *clean[1:]], names={"BHP": "BHP"})
    assert fold.counts == {reason: len(BAD[reason])}
    assert prices(fold) == {"BHP": (10.0, 10.0, 10.0, 10.0, 300.0)}


@pytest.mark.parametrize(
    "frame", [b"", b"[", b"[NaN]", b"\xff", b'[{"ev":"A","sym":"BHP","v":NaN}]', b"[" * 10_000, b'{"type":', b"3"]
)
def test_a_malformed_frame_is_counted(frame: bytes) -> None:
    counts: Counter[str] = Counter()
    assert decode(frame, counts) == []
    assert counts.total() == 1, counts


def test_volumes_may_be_fractional_or_written_with_an_exponent() -> None:
    frame = (
        json.dumps([second(v=0.1), second(s=OPENS + 1000, v=0.2)])[:-1]
        + ", "
        + (json.dumps(second(s=OPENS + 2000)).replace('"v": 100', '"v": 6.3896155e+07') + "]")
    )
    fold = Fold(SESSION)
    fold.apply("1", decode(frame.encode(), fold.counts))
    assert fold.bars["BHP"].volume == 63_896_155_300_000


def trade(**values: Any) -> dict[str, Any]:
    return {"ev": "T", "sym": "BHP", "x": 4, "i": "1", "p": 10.0, "s": 100, "c": [], "t": OPENS + 5, "q": 1} | values


def test_trades_are_identified_by_exchange_and_id() -> None:
    events = [trade(), trade(), trade(x=5, q=2, p=11.0), trade(i="2", q=3, p=9.0), trade(i="3", t=OPENS, q=0, p=10.5)]
    fold = fold_of(events)
    assert prices(fold) == {"BHP": (10.5, 11.0, 9.0, 9.0, 400.0)}
    assert fold.counts["duplicate"] == 1
    assert fold.bars["BHP"].missed is None  # trades do not report the day's volume


def test_conditions_of_trades_decide_what_a_trade_changes() -> None:
    events = [
        trade(),
        trade(i="2", q=2, p=50.0, c=[37]),  # odd lot: volume only
        trade(i="3", q=3, p=12.0, c=[32]),  # out of sequence: no close
        trade(i="4", q=4, p=13.0, c=[15]),  # official close of a market centre: nothing
    ]
    assert prices(fold_of(events)) == {"BHP": (10.0, 12.0, 10.0, 10.0, 300.0)}
    corrected = trade(i="5", q=5, p=10.5, c=[38])  # corrected consolidated close: no volume
    assert prices(fold_of([*events, corrected])) == {"BHP": (10.0, 12.0, 10.0, 10.5, 300.0)}


GLOSSARY = {
    **dict.fromkeys((0, 1, 3, 4, 8, 9, 11, 14, 23, 25, 27, 28, 30, 34, 36), "high/low, last, volume"),
    **dict.fromkeys((2, 7, 12, 13, 20, 21, 37, 52, 53), "volume"),
    **dict.fromkeys((5, 10, 22, 29, 33), "high/low, volume"),
    **dict.fromkeys((15, 16), ""),
    38: "high/low, last",
}
"""What a trade updates: https://polygon.io/glossary/us/stocks/conditions-indicators."""


@pytest.mark.parametrize("condition", GLOSSARY)
def test_each_condition_updates_what_the_vendors_glossary_says(condition: int) -> None:
    before = [trade(), trade(i="2", q=2)]
    (bar,) = prices(fold_of([*before, trade(i="3", q=3, p=12.0, c=[condition])])).values()
    changed = {"high/low": bar[1] == 12.0, "last": bar[3] == 12.0, "volume": bar[4] == 300.0}
    assert ", ".join(name for name, is_changed in changed.items() if is_changed) == GLOSSARY[condition]


def day(**values: Any) -> dict[str, Any]:
    report = {"ev": "D", "sym": "BHP", "p": 10.0, "t": OPENS + 1000, "o": 9.5, "h": 10.2, "l": 9.4, "v": 1000}
    return report | {"pc": 9.0} | values


def test_reports_of_the_day_heal_what_was_not_received() -> None:
    events = [day(), day(p=10.5, h=11.0, v=5000, t=OPENS + 9000), day(p=10.1, h=10.3, v=2000, t=OPENS + 4000)]
    bar = fold_of(events).bars["BHP"]
    assert (bar.open, bar.high, bar.low, bar.close) == (9.5, 11.0, 9.4, 10.5)
    assert (bar.volume, bar.missed, bar.previous_close) == (5000 * SCALE, 0.0, 9.0)


def test_an_empty_bar_has_no_events() -> None:
    assert Bar("BHP").events == 0
    assert fold_of([second(l=-1.0)]).bars["BHP"].events == 0


EXAMPLES = SHARED / "polygon" / "websocket_stock_examples.json"


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the vendor's samples are not beside the checkout")
def test_the_vendors_own_samples() -> None:
    samples = {path: sample for path, sample in json.loads(EXAMPLES.read_text()).items() if path.startswith("/stocks/")}
    counts: Counter[str] = Counter()
    events = decode(json.dumps(list(samples.values())).encode(), counts)
    assert {type(event) for event in events} == {Second, Minute, Trade}
    assert counts == {"unknown type": len(samples) - 3}
    (aggregate,) = (event for event in events if type(event) is Second)
    assert (aggregate.symbol, aggregate.total, aggregate.day_open) == ("SPCE", 8_642_007, 25.66)
