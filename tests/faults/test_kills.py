"""Steps killed while they write: readers see the old state or the new one, and a re-run ends as if undisturbed."""

from __future__ import annotations

import random
from datetime import date
from itertools import product
from pathlib import Path

import pytest

from tests.faults._lake import FIRST, SECOND, Reader, content, look, write_csv
from tests.faults.conftest import Kill, Prepare, Step
from tests.injected import Injected
from tests.kill_at import Runner

pytestmark = pytest.mark.filterwarnings("error::stockstream.sql.session.LakeWarning")


@pytest.mark.faults
@pytest.mark.parametrize(
    "step",
    [
        Step("consolidate", "fetched", 4),  # delta, the manifest, the pointer and the history
        Step("consolidate --full", "fetched", 5),  # base, too
        Step("resample", "consolidated", 4),
        Step("indicators refresh", "consolidated", 4),
        Step("metadata", "consolidated", 4),
        Step("rollback 3 --yes", "published", 3),
        # Seven manifests, six files of these and of killed writers, and four batch files.
        Step("vacuum --raw archive --delete", "old", 5, deletions=20),
        Step("vacuum --raw remove --delete", "old", 4, deletions=20),
    ],
    ids=lambda step: step.command,
)
def test_killed_at_every_write(step: Step, kill_at_every_write: Kill) -> None:
    kill_at_every_write(step)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("state", "day", "puts"),
    [("empty", FIRST, 17), ("first", SECOND, 13)],
    ids=["new", "daily"],
)
def test_a_run_killed_at_every_write(
    state: str, day: date, puts: int, kill_at_every_write: Kill, tmp_path: Path
) -> None:
    """A new lake: marker, calendar, list, two batches and the first generation. A day: list, batches and a generation.

    A generation is the files of metadata, bars, resampled bars and indicators (of the last three a base and a delta, or
    a delta only), its manifest, the pointer, the history and the findings of the checks. The pointer is also put for a
    new list of companies.
    """
    asked = ["--market", "US", "--source", f"files:{write_csv(tmp_path, day)}", "--date", str(day), "--batch-size", "2"]
    kill_at_every_write(Step(" ".join(["run", *asked]), state, puts))


def test_killed_at_random_under_load(prepare: Prepare, runner: Runner, injected: Injected) -> None:
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
        for turn in range(3):
            ended = runner.run(*commands, kill_after=[dice.uniform(0.05, 1.5) for _ in commands])
            if any(each.killed for each in ended):
                injected(
                    "consolidate, resample", f"{'s3' if lake.startswith('s3:') else 'folder'}: turn {turn}", "kill"
                )
    assert [runner.run([command, "--lake", lake])[0].code for command in ("consolidate", "resample")] == [0, 0]
    assert content(lake) == content(undisturbed)
