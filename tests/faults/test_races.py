"""Steps that race each other, with readers all the while: every bar is there once, and every state seen is whole."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.lake import Lake
from pipeline.publish import head, history
from pipeline.settings import settings
from pipeline.sources import open_source
from pipeline.steps.consolidate import consolidate
from pipeline.steps.fetch_batch import fetch_batch
from pipeline.steps.resample import resample
from pipeline.steps.rollback import rollback
from pipeline.steps.vacuum import vacuum
from tests.faults._lake import INTERVAL, SECOND, SESSIONS, US, Reader, age, content, look, write_csv
from tests.faults.conftest import Prepare
from tests.kill_at import Runner
from tests.s3_server import S3Server

Work = Callable[[Lake], Any]


def resampled(lake: Lake) -> Any:
    return resample({"intervals": [INTERVAL]}, lake)


def together(lake: str, *works: Work) -> list[Any]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [job.result() for job in [pool.submit(work, Lake(lake)) for work in works]]


@pytest.mark.parametrize(
    "works",
    [
        (lambda lake: consolidate({}, lake), lambda lake: consolidate({}, lake)),
        (lambda lake: consolidate({}, lake), lambda lake: consolidate({"full": True}, lake)),
        (lambda lake: consolidate({}, lake), lambda lake: vacuum({"delete": True, "raw": "archive"}, lake)),
        (lambda lake: consolidate({}, lake), resampled),
        (resampled, resampled),
    ],
    ids=["two consolidators", "one full", "a vacuum", "a resampler", "two resamplers"],
)
def test_two_steps_at_once(works: tuple[Work, ...], prepare: Prepare, s3_server: S3Server, tried: Counter[str]) -> None:
    undisturbed = prepare("fetched", "undisturbed")
    before = look(undisturbed)
    consolidate({}, Lake(undisturbed))
    merged = look(undisturbed)
    resampled(Lake(undisturbed))
    expected, after = content(undisturbed), look(undisturbed)
    # Either step may come first.
    other = (before[0], before[1], after[2])
    lake = prepare("fetched", "raced")
    age(lake, 40, s3_server)
    with Reader(lake, {before, merged, after, other}):
        together(lake, *works)
        consolidate({}, Lake(lake))
        resampled(Lake(lake))
    tried["raced: two steps"] += 1
    assert content(lake) == expected


def test_fetchers_and_consolidators(prepare: Prepare, tmp_path: Any, tried: Counter[str]) -> None:
    """What a fetch has stored is there from then on, while it is merged and after."""
    lake = prepare("first", "raced")
    source = open_source(f"files:{write_csv(tmp_path, SECOND)}", US, settings())
    seen = []

    def fetch(number: int) -> None:
        symbol = ("AAA", "BBB", "CCC", "DDD")[number]
        now = datetime(SECOND.year, SECOND.month, SECOND.day, 23, tzinfo=UTC) + timedelta(seconds=number)
        event = {"symbols": [symbol], "batchNumber": number, "date": str(SECOND)}
        stored = fetch_batch({**event, "start": str(SESSIONS[0]), "end": str(SECOND)}, Lake(lake), source, US, now)
        with Lake(lake).session() as con:
            query = f"SELECT count(*) FROM bars WHERE symbol = '{symbol}' AND date = '{SECOND}'"
            seen.append((stored["rows"] > 0, con.execute(query).fetchall()))
        tried["raced: a fetch and a consolidation"] += 1

    def merge(_: int) -> None:
        consolidate({}, Lake(lake))

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(work, number) for number in range(4) for work in (fetch, merge)]
        for job in jobs:
            job.result()
    assert seen == [(True, [(1,)])] * 4
    consolidate({}, Lake(lake))
    undisturbed = prepare("fetched", "undisturbed")
    consolidate({}, Lake(undisturbed))
    assert content(lake, "bars", "silver_bars") == content(undisturbed, "bars", "silver_bars")


def test_a_rollback_and_a_consolidation(prepare: Prepare, tried: Counter[str]) -> None:
    """Whichever comes first, the lake ends in one of the two orders, and undoing the rollback brings all back."""
    undisturbed = prepare("fetched", "undisturbed")
    consolidate({}, Lake(undisturbed))
    lake = prepare("fetched", "raced")
    held = head(Lake(lake)).generation
    together(lake, lambda of: rollback({"generation": held}, of), lambda of: consolidate({}, of))
    tried["raced: a rollback and a consolidation"] += 1
    merged = [made.generation for made in history(Lake(lake)) if made.step == "consolidate"]
    rollback({"generation": merged[0]}, Lake(lake))
    consolidate({"full": True}, Lake(lake))
    if merged[0] > held:  # else the batch files were set aside before anybody merged them, as was asked for
        assert content(lake, "bars", "silver_bars") == content(undisturbed, "bars", "silver_bars")


def test_killed_at_random_under_load(prepare: Prepare, runner: Runner, tried: Counter[str]) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    undisturbed = prepare("fetched", "undisturbed")
    before = look(undisturbed)
    consolidate({}, Lake(undisturbed))
    merged = look(undisturbed)
    resampled(Lake(undisturbed))
    after = look(undisturbed)
    lake = prepare("fetched", "load")
    commands = [
        ["consolidate", "--lake", lake],
        ["consolidate", "--full", "--lake", lake],
        ["resample", "--lake", lake],
    ]
    with Reader(lake, {before, merged, after, (before[0], before[1], after[2])}, pause=0.2):
        for _ in range(3):
            ended = runner.run(*commands, kill_after=[dice.uniform(0.05, 1.5) for _ in commands])
            tried["killed at random under load"] += sum(each.killed for each in ended)
    assert [runner.run([step, "--lake", lake])[0].code for step in ("consolidate", "resample")] == [0, 0]
    assert content(lake) == content(undisturbed)
