"""Concurrent commands as processes, stopped until all are about to commit, with a reader in the background."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path

import pytest

from stockstream.pipeline.generation_history import history
from stockstream.pipeline.lake import Lake
from stockstream.sql.session import connect
from tests.faults._lake import SECOND, SYMBOLS, Reader, age, content, litter, look, objects, write_csv
from tests.faults.conftest import Prepare
from tests.injected import Injected
from tests.kill_at import Runner
from tests.s3_server import S3Server

pytestmark = pytest.mark.filterwarnings("error::stockstream.sql.session.LakeWarning")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("state", "commands"),
    [
        ("fetched", ["consolidate", "consolidate", "consolidate --full"]),
        ("consolidated", ["resample", "resample"]),
        ("consolidated", ["resample", "metadata"]),
        ("fetched", ["consolidate", "vacuum --raw archive --delete"]),
        ("fetched", ["consolidate", "rollback 2 --yes"]),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, list) else value,
)
def test_commands_at_once(
    state: str,
    commands: Sequence[str],
    prepare: Prepare,
    runner: Runner,
    s3_server: S3Server,
    injected: Injected,
) -> None:
    """They end as if run one after the other in some order, and a reader sees only states of such orders."""

    def prepared(name: object) -> str:
        lake = prepare(state, name)
        age(lake, 40, s3_server)
        return lake

    def asked(lake: str) -> list[list[str]]:
        return [[*command.split(), "--lake", lake] for command in commands]

    complete, ends = set(), []
    for number, order in enumerate(sorted(set(permutations(commands)))):
        lake = prepared(number)
        complete.add(look(lake))
        for command in order:
            assert runner.run([*command.split(), "--lake", lake])[0].code == 0
            complete.add(look(lake))
        ends.append(content(lake))
    for turn in range(4):
        lake = prepared(f"raced-{turn}")
        with Reader(lake, complete):
            ended = runner.run(*asked(lake), meet="state/manifests/")
        assert [each.code for each in ended] == [0] * len(commands), ended
        assert content(lake) in ends
        kept = [manifest.generation for manifest in history(Lake(lake))]
        assert kept == list(range(kept[0], kept[-1] - 1, -1)), "a generation is missing"
        litter(objects(lake, s3_server))
        injected(", ".join(commands), f"{'s3' if lake.startswith('s3:') else 'folder'}: turn {turn}", "race")


@pytest.mark.faults
def test_runs_and_consolidations(prepare: Prepare, runner: Runner, tmp_path: Path, injected: Injected) -> None:
    """Bars that a run has stored stay visible, whichever command merges them at the same time."""
    source = f"files:{write_csv(tmp_path, SECOND)}"
    lake, undisturbed = prepare("first", "raced"), prepare("first", "undisturbed")

    def run(symbol: str, on: str) -> list[str]:
        asked = ["run", "--market", "US", "--source", source, "--date", str(SECOND), "--symbols", symbol, "--lake", on]
        return [*asked, "--json"]

    before = look(undisturbed)
    for symbol in SYMBOLS:
        assert runner.run(run(symbol, undisturbed))[0].code == 0
        after = look(undisturbed)
        with Reader(lake, set(product(*({one, other} for one, other in zip(before, after, strict=True))))):
            ended = runner.run(run(symbol, lake), ["consolidate", "--lake", lake], ["resample", "--lake", lake])
        assert [each.code for each in ended] == [0] * 3, ended
        with connect(lake) as con:
            stored = f"SELECT count(*) FROM bars WHERE symbol = '{symbol}' AND date = '{SECOND}'"
            assert con.execute(stored).fetchall() == [(1,)]
        injected("run, consolidate, resample", f"{symbol}", "race")
        before = after
    assert content(lake) == content(undisturbed)
