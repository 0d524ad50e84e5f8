"""Steps of paper accounts that are killed at every write, or run at once: the account ends as if undisturbed."""

from __future__ import annotations

import json

import pytest

from stockstream.analytics.paper.ledger import Ledger
from stockstream.pipeline.lake import PAPER, Lake
from tests.faults._lake import SESSIONS, age, content, objects
from tests.faults.conftest import Prepare, points
from tests.injected import Injected
from tests.kill_at import Runner
from tests.s3_server import S3Server

START = ["paper", "start", "a", "--strategy", "BuyAndHold", "--start", str(SESSIONS[13])]
STEP = ["paper", "step", "a"]
OTHERS = 2
"""Writes of a start beside those of the states: the account, and the report."""


def account(lake: str) -> list[object]:
    """Return what the states of an account say, apart from times, and so from checksums; and the engine's state.

    Which part of that a session has stored may differ: a step that goes on compares with what it has read.
    """
    ledger = Ledger(Lake(lake), "a")
    states = ledger.states(ledger.sessions())
    said = [(one.session, one.number, one.equity, one.inputs_sha256, one.fills, one.orders) for one in states]
    return [*said, json.dumps(ledger.read().engine, sort_keys=True)]


@pytest.mark.faults
def test_a_start_killed_at_every_write(
    prepare: Prepare, runner: Runner, s3_server: S3Server, lake_uri: str, injected: Injected
) -> None:
    place = "s3" if lake_uri.startswith("s3://") else "folder"
    undisturbed = prepare("first", "undisturbed")
    assert runner.run([*START, "--lake", undisturbed])[0].code == 0
    expected, bars = account(undisturbed), content(undisturbed)
    states = len(expected) - 1
    assert states > 1
    for point in points(2 * (states + OTHERS)):
        lake = prepare("first", point)
        (ended,) = runner.run([*START, "--lake", lake], kill_at=point)
        assert ended.killed, ended
        injected("paper start", f"{place}: write {point}", "kill")
        is_stored = any(key.startswith(f"{PAPER}a/account.json") for key in Lake(lake).store.list(PAPER))
        left = {key: data for key, data in objects(lake, s3_server).items() if key.startswith(PAPER)}
        assert runner.run([*(STEP if is_stored else START), "--lake", lake])[0].code == 0
        assert account(lake) == expected
        after = objects(lake, s3_server)
        assert all(after[key] == data for key, data in left.items() if ".aside-" not in key), "a state was rewritten"
        assert content(lake) == bars
        age(lake, 10, s3_server)
        assert runner.run(["vacuum", "--delete", "--lake", lake])[0].code == 0
        assert account(lake) == expected, "vacuum deletes nothing of an account"


@pytest.mark.faults
def test_two_steps_at_once(prepare: Prepare, runner: Runner, injected: Injected) -> None:
    """Each waits with its first state until the other one has come as far."""
    lake, undisturbed = prepare("first", "raced"), prepare("first", "undisturbed")
    assert runner.run([*START, "--lake", undisturbed])[0].code == 0
    for turn in range(3):
        lake = prepare("first", f"raced-{turn}")
        ended = runner.run([*START, "--lake", lake], [*START, "--lake", lake], meet=PAPER)
        # Of the same second, both write the same account, and the later one finds what it would have written.
        assert sorted(one.code for one in ended) in ([0, 0], [0, 2]), ended
        assert all("has a paper account a already" in one.err for one in ended if one.code)
        ended = runner.run([*STEP, "--lake", lake, "--json"], [*STEP, "--lake", lake, "--json"])
        assert [one.code for one in ended] == [0, 0], ended
        assert account(lake) == account(undisturbed)
        assert [json.loads(one.out)["failed"] for one in ended] == [{}, {}]
        injected("paper start, paper step", f"turn {turn}", "race")
