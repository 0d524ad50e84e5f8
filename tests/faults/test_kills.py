"""Steps killed while they write: readers see the old state or the new one, and a re-run ends as if undisturbed."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date
from itertools import product
from pathlib import Path

import pytest

from tests.faults._lake import FIRST, SECOND, Reader, content, look, write_csv
from tests.faults.conftest import Kill, Prepare, Step
from tests.kill_at import Runner

pytestmark = pytest.mark.filterwarnings("error::stockstream.sql.session.LakeWarning")


@pytest.mark.parametrize(
    "step",
    [
        Step("consolidate", "fetched", 3, kinds=(1, 2, 3, 4, 5, 6)),  # delta, the manifest and the pointer
        Step("consolidate --full", "fetched", 4, kinds=(7,)),  # base, too
        # These publish as `consolidate` does: of them, the moment between the manifest and the pointer is enough.
        Step("resample", "consolidated", 3, kinds=(5,)),
        Step("indicators refresh", "consolidated", 3, kinds=(5,)),
        Step("metadata", "consolidated", 3, kinds=(5,)),
        Step("rollback 3 --yes", "published", 2, kinds=(3,)),
        # Seven manifests, six files of these and of killed writers, and four batch files.
        Step("vacuum --raw archive --delete", "old", 3, deletions=17),
        Step("vacuum --raw remove --delete", "old", 2, deletions=17),
    ],
    ids=lambda step: step.command,
)
def test_killed_at_every_write(step: Step, kill_at_every_write: Kill) -> None:
    kill_at_every_write(step)


@pytest.mark.parametrize(
    ("state", "day", "puts", "kinds"),
    [("empty", FIRST, 14, (1, 3, 5, 7)), ("first", SECOND, 9, (3, 15, 17))],
    ids=["new", "daily"],
)
def test_a_run_killed_at_every_write(
    state: str, day: date, puts: int, kinds: tuple[int, ...], kill_at_every_write: Kill, tmp_path: Path
) -> None:
    """A new lake: marker, calendar, list, two batches and the first generation. A day: list, batches and a generation.

    A generation is the files of metadata, bars, resampled bars and indicators (of the last three a base and a delta, or
    a delta only), its manifest and the pointer.
    """
    asked = ["--market", "US", "--source", f"files:{write_csv(tmp_path, day)}", "--date", str(day), "--batch-size", "2"]
    kill_at_every_write(Step(" ".join(["run", *asked]), state, puts, kinds=kinds, before_only=True))


def test_killed_at_random_under_load(prepare: Prepare, runner: Runner, tried: Counter[str]) -> None:
    """Three concurrent commands are killed at random moments, three times, with a reader in the background."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    lake, undisturbed = prepare("fetched", "load"), prepare("fetched", "undisturbed")
    states = [look(undisturbed)]
    for command in ("consolidate", "resample"):
        assert runner.run([command, "--lake", undisturbed])[0].code == 0
        states.append(look(undisturbed))
    commands = [[*command.split(), "--lake", lake] for command in ("consolidate", "consolidate --full", "resample")]
    with Reader(lake, product(*map(set, zip(*states, strict=True))), pause=0.2):
        for _ in range(3):
            ended = runner.run(*commands, kill_after=[dice.uniform(0.05, 1.5) for _ in commands])
            tried["killed at random, three commands at once"] += sum(each.killed for each in ended)
    assert [runner.run([command, "--lake", lake])[0].code for command in ("consolidate", "resample")] == [0, 0]
    assert content(lake) == content(undisturbed)
