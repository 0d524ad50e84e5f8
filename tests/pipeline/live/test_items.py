"""Bars in DynamoDB (a server of moto): batches with other borders, kills amid the writes, two consumers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.items import ItemTable, padded
from tests.pipeline.live.feed import SESSION, expected, frames, names, seconds, unreliable
from tests.pipeline.live.test_fold import prices
from tests.s3_server import CREDENTIALS

TABLE = "live"


class Killed(BaseException):
    """The process ends here."""


class Mortal:
    """A client of DynamoDB that kills its process before some write."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.exceptions = client.exceptions
        self.writes_left = 1 << 30

    def __getattr__(self, name: str) -> Any:
        if name == "put_item":
            self.writes_left -= 1
            if self.writes_left < 0:
                raise Killed
        return getattr(self._client, name)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from moto.server import ThreadedMotoServer

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    client = boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{port}")
    keys = [("symbol", "HASH"), ("session", "RANGE")]
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    yield client
    client.delete_table(TableName=TABLE)
    server.stop()


def stored(table: ItemTable, symbols: int) -> dict[str, Any]:
    fold = Fold(SESSION)
    fold.bars = table.bars(names(symbols))
    assert {bar.missed for bar in fold.bars.values()} == {0.0}
    return prices(fold)


@pytest.mark.slow
def test_kills_amid_the_writes_and_other_borders_change_no_bar(client: Any) -> None:
    rng = random.Random(32)
    events = seconds(12, 100)
    frame_list = frames(unreliable(events, rng), 20)
    records = [(padded(str(10**55 + number)), frame) for number, frame in enumerate(frame_list)]
    mortal = Mortal(client)
    table = ItemTable(mortal, TABLE, lambda: Fold(SESSION))
    done = kills = 0
    while done < len(records):
        first, size = max(0, done - rng.choice((0, 0, 1, 4))), rng.randrange(1, 7)
        mortal.writes_left = rng.choice((1 << 30, 0, 1, 3, 9))
        try:
            table.fold(records[first : done + size])
            done = min(done + size, len(records))
        except Killed:
            kills += 1
    assert kills >= 10
    assert stored(table, 12) == expected(events)
    item = client.get_item(TableName=TABLE, Key={"symbol": {"S": "AAA"}, "session": {"S": SESSION.date}})["Item"]
    assert float(item["close"]["N"]) == expected(events)["AAA"][3]
    assert item["position"]["S"] <= records[-1][0]


def test_two_consumers_of_the_same_records_do_not_count_twice(client: Any) -> None:
    events = seconds(6, 30)
    records = [(padded(str(number + 1)), frame) for number, frame in enumerate(frames(events))]
    one, other = (ItemTable(client, TABLE, lambda: Fold(SESSION)) for _ in range(2))
    one.fold(records[:2])
    read = other._restored

    def overtaken(symbols: set[str]) -> Any:
        state = read(symbols)
        one.fold(records[2:])  # between the other one's reads and its writes
        return state

    other._restored = overtaken  # type: ignore[method-assign]
    other.fold(records)
    assert stored(one, 6) == expected(events)


def test_a_table_that_does_not_exist_is_named(client: Any) -> None:
    table = ItemTable(client, "nothing", lambda: Fold(SESSION))
    with pytest.raises(LakeError, match="the table nothing of live bars"):
        table.fold([("1", frames(seconds(1, 2))[0])])


def test_bad_records_are_counted_and_the_others_folded(client: Any) -> None:
    events = seconds(2, 10)
    table = ItemTable(client, TABLE, lambda: Fold(SESSION))
    table.fold([("1", b"poison"), ("2", b'[{"ev":"Q"}]'), *((f"3{n}", one) for n, one in enumerate(frames(events)))])
    assert table.counts == {"malformed frame": 1, "unknown type": 1}
    assert stored(table, 2) == expected(events)
