"""Packing: whatever the stream refuses, and in whatever order requests end, a symbol's events keep theirs."""

from __future__ import annotations

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.pipeline.live.parcels import MAX_RECORD, MAX_RECORDS, MAX_REQUEST, Parcel, Parcels


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_nothing_is_lost_and_each_symbol_keeps_its_order(seed: int) -> None:
    rng = random.Random(seed)
    symbols = [f"S{n}" for n in range(rng.choice((1, 3, 700)))]
    parcels, stream, under_way = Parcels(), list[Parcel](), list[list[Parcel]]()
    added = 0
    while added < 2000 or parcels.events:
        action = rng.random()
        if action < 0.5 and added < 2000:
            for _ in range(rng.randrange(200)):
                assert parcels.add(rng.choice(symbols), str(added).encode())
                added += 1
        elif action < 0.7:
            if rng.random() < 0.5 or added >= 2000:
                parcels.collect()
            if request := parcels.take():
                assert len(request) <= MAX_RECORDS
                under_way.append(request)
        elif under_way:
            for parcel in under_way.pop(rng.randrange(len(under_way))):
                if rng.random() < 0.4:
                    parcels.failed(parcel)
                else:
                    parcels.put(parcel)
                    stream.append(parcel)
        on_the_way = [parcel.symbol for request in under_way for parcel in request]
        assert len(on_the_way) == len(set(on_the_way))
        assert parcels.events == len(list(parcels.left()))
    assert (parcels.size, parcels.events) == (0, 0)
    numbers: dict[str, list[int]] = {}
    for parcel in stream:
        numbers.setdefault(parcel.symbol, []).extend(json.loads(parcel.data))
    assert all(ordered == sorted(ordered) for ordered in numbers.values())
    assert sorted(number for ordered in numbers.values() for number in ordered) == list(range(added))


def test_records_and_requests_are_within_the_quotas_to_the_byte() -> None:
    parcels = Parcels()
    limit = MAX_RECORD - len("[]") - len("AAA")
    assert parcels.add("AAA", b"1" * limit)
    assert not parcels.add("AAA", b"1" * (limit + 1))
    for n in range(12):
        for _ in range(40):
            assert parcels.add(f"B{n:02}", b"2" * 30_000)
    put = 0
    parcels.collect()
    while parcels.events:
        request = parcels.take()
        sizes = [len(parcel.data) + len(parcel.symbol) for parcel in request]
        assert max(sizes) <= MAX_RECORD
        assert sum(sizes) <= MAX_REQUEST
        assert sum(sizes) > MAX_REQUEST - 31_000 or parcels.events - sum(len(one.texts) for one in request) < 170
        for parcel in request:
            put += len(parcel.texts)
            parcels.put(parcel)
    assert put == 1 + 12 * 40


def test_events_of_a_symbol_are_collected_into_one_record() -> None:
    parcels = Parcels()
    for n in range(10):
        parcels.add("AAA", b"%d" % n)
        assert parcels.take() == []
    parcels.collect()
    (parcel,) = parcels.take()
    assert parcel.data == b"[0,1,2,3,4,5,6,7,8,9]"
    parcels.add("AAA", b"10")
    parcels.collect()
    assert parcels.take() == []  # the record before is under way
    parcels.failed(parcel)
    assert [one.data for one in parcels.take()] == [b"[0,1,2,3,4,5,6,7,8,9,10]"]
