"""60 days of a lake of 50 symbols and ten years: runs, corrections, splits, vacuums, rollbacks, damage and repairs.

Readers in processes of their own query all the while. At the end the lake equals one made from the source in one go.
`make soak SEED=7` repeats the run of a seed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.generations import generation
from stockstream.pipeline.lake import Lake
from stockstream.sql.session import LakeWarning, connect
from tests.faults._cli import answer, command
from tests.faults._damage import DAMAGES, NO_PERMISSION, Objects, Sample, keys_by_kind
from tests.faults._judge import SILENT
from tests.faults._lake import age, objects
from tests.faults._market import AS_OF, DAYS, HISTORY, Market
from tests.s3_server import S3Server

ROOT = Path(__file__).parents[2]
SOURCES_OF_BARS = {"archive", "batch file consolidated", "batch file fresh"}
"""Kinds of files that silver is made from: they are damaged after silver is for the last time."""
RECENT = 30
"""The number of sessions that the source has on a usual day."""
LAST = 12
"""The number of days at the end in which these are damaged, and silver is not."""
BARS = (
    "bars", "latest_bars", "silver_bars", "bars_adjusted", "bars_split_adjusted", "bars_as_traded", "bars_3d",
    "bars_weekly", "indicators", "gaps", "symbols", "actions", "pending", "split_factors",
)  # fmt: skip
"""The views that do not depend on when a bar was fetched, or when a company was listed for the first time."""


@dataclass
class Soak:
    """The lake, its market and what has happened so far."""

    folder: Path
    market: Market
    dice: random.Random
    server: S3Server
    events: Counter[str] = field(default_factory=Counter)
    earlier: Objects = field(default_factory=dict)

    @property
    def lake(self) -> str:
        """The lake's URI."""
        return str(self.folder / "lake")

    def do(self, *argv: str, lake: str = "") -> Any:
        """Run a command that must be complete; return its answer."""
        ended = command(*argv, "--lake", lake or self.lake)
        assert ended.code == 0, f"{' '.join(argv)}: {ended}"
        self.events[argv[0]] += 1
        return answer(ended)

    def fetch(self, name: str, n: int, *more: str, lake: str = "", newest: int = HISTORY + DAYS) -> None:
        """Run the pipeline as of the end of a session, on a source with the newest sessions."""
        source = self.folder / "source.parquet"
        self.market.write_source(source, n, newest)
        options = ["--market", "US", "--source", f"files:{source}", "--prices", "as-traded", "--batch-size", "25"]
        self.do(name, *options, *more, "--json", lake=lake)

    def run(self, n: int, lake: str = "") -> None:
        """Run the day of a session, and backfill the old bars that the source has corrected on it."""
        day, first = str(self.market.sessions[n]), str(self.market.sessions[0])
        newest = HISTORY + DAYS if n == HISTORY or lake else RECENT
        self.fetch("run", n, "--date", day, "--start", first, lake=lake, newest=newest)
        for correction in self.market.corrections:
            if correction.since == n and correction.is_old and not lake:
                self.fetch("backfill", n, "--start", first, "--end", day, "--symbols", correction.symbol)
                self.events["correction"] += 1

    def check(self, n: int) -> None:
        """Compare the bars with the source as of the end of a session."""
        columns = "symbol, date, open, high, low, close, volume, coalesce(dividend, 0), coalesce(split_ratio, 1)"
        versions = f"read_parquet('{self.folder}/versions.parquet')"
        source = f"SELECT {columns} FROM ({AS_OF.format(versions=versions, first=0, n=n)})"
        with connect(self.lake) as con:
            for one, other in ((f"SELECT {columns} FROM bars", source), (source, f"SELECT {columns} FROM bars")):
                rows = con.execute(f"{one} EXCEPT {other} LIMIT 3").fetchall()
                assert not rows, f"after session {n} the bars differ from the source: {rows}"

    def vacuum(self, n: int) -> None:
        """Delete what is old, and archive the old batch files."""
        self.do("vacuum", "--delete", "--raw", self.dice.choice(["keep", "archive"]), "--raw-older-than", "5", "--json")
        self.check(n)

    def roll_back(self, n: int) -> None:
        """Restore an earlier generation, and undo that."""
        kept = [row["generation"] for row in self.do("history", "--json")]
        whole = [number for number in kept[1:4] if not self.is_broken(number)]
        if whole:
            self.do("rollback", str(self.dice.choice(whole)), "--yes")
            self.do("rollback", str(kept[0]), "--yes")
        self.check(n)

    def is_broken(self, number: int) -> bool:
        """Return whether a generation names a file that a repair has set aside, so that it cannot be restored."""
        tables = generation(Lake(self.lake), number).tables.values()
        return any(Path(self.lake, "damaged", file.key).exists() for table in tables for file in table.files)

    def damage(self, n: int) -> None:
        """Damage a file, and repair the lake."""
        sample = Sample(objects(self.lake, self.server), self.earlier)
        is_late = n >= HISTORY + DAYS - LAST
        keys = {
            kind: key
            for kind, key in keys_by_kind(Lake(self.lake)).items()
            if is_late == (kind in SOURCES_OF_BARS) or (not kind.startswith("silver") and kind not in SOURCES_OF_BARS)
        }
        kind = self.dice.choice(sorted(keys))
        choices = [name for name in DAMAGES if name != NO_PERMISSION and name not in SILENT.get(kind, ())]
        damage = self.dice.choice(choices)
        data = DAMAGES[damage](sample.objects[keys[kind]], keys[kind], sample)
        if data is None and damage != "gone":
            return
        with self.disturbed():
            path = Path(self.lake, keys[kind])
            path.unlink() if data is None else path.write_bytes(data)
            ended = command("repair", "--apply", "--json", "--lake", self.lake)
            assert answer(ended) is not None, f"{kind}, {damage}: {ended}"
            assert not [loss for loss in answer(ended)["lost"] if loss["what"] == "bars"], f"{kind}, {damage}: {ended}"
            again = command("repair", "--json", "--lake", self.lake)
            assert (again.code, answer(again)["findings"]) == (0, []), f"{kind}, {damage}: {ended} then {again}"
        self.events[f"damage: {kind}"] += 1
        try:
            self.check(n)
        except AssertionError as error:
            raise AssertionError(f"{kind}, {damage}: {error}") from None

    @contextmanager
    def disturbed(self) -> Iterator[None]:
        """Have the readers expect errors within the block."""
        (self.folder / "changes").write_text(str(self.events.total()))
        (self.folder / "damaged").touch()
        yield
        (self.folder / "damaged").unlink()


@pytest.fixture
def soak(tmp_path: Path, s3_server: S3Server, request: pytest.FixtureRequest) -> Soak:
    seed = request.config.getoption("--soak-seed")
    return Soak(tmp_path, Market(seed), random.Random(seed), s3_server)


@contextmanager
def reading(soak: Soak) -> Iterator[None]:
    """Have two processes read the lake: one connects for every query, the other keeps its connection for some."""
    (soak.folder / "changes").write_text("0")
    readers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults._soak_reader", soak.lake, str(soak.folder), keep],
            cwd=ROOT, env={**os.environ, "LOG_LEVEL": "ERROR"}, stdout=subprocess.PIPE, text=True,
        )
        for keep in ("1", "8")
    ]  # fmt: skip
    try:
        yield
    finally:
        (soak.folder / "stop").touch()
        reports = [json.loads(reader.communicate(timeout=120)[0].splitlines()[-1]) for reader in readers]
        print(*reports, sep="\n")
    for report in reports:
        assert report["wrong"] == [], "a reader saw what never was"
        assert report["looks"] - report["disturbed"] > DAYS // 3, "the readers hardly read"


def rows(lake: str, view: str) -> tuple[list[str], list[Any]]:
    """Return the columns and the sorted rows of a view, without the time of the fetch and the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", LakeWarning)
        with connect(lake) as con:
            query = f"SELECT COLUMNS(c -> c NOT IN ('fetch_timestamp', 'file', 'listed_on')) FROM {view}"
            relation = con.sql(query)
            return relation.columns, con.execute(f"{query} ORDER BY ALL").fetchall()


def is_same(columns: list[str], one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Return whether two rows are equal, up to the rounding of sums: a billionth of the value or of the row's close.

    What is computed from the newest days alone is added up in another order than what is computed in one go.
    """
    close = dict(zip(columns, other, strict=True)).get("close") or 0.0

    def is_close(a: Any, b: Any) -> bool:
        are_numbers = isinstance(a, float) and isinstance(b, float)
        return a == b or (are_numbers and abs(a - b) <= 1e-9 * max(abs(a), abs(b), abs(close)))

    return all(map(is_close, one, other))


@pytest.mark.soak
def test_sixty_days(soak: Soak, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_RESAMPLE", '["3d", "weekly"]')
    monkeypatch.setenv("STOCKSTREAM_LOG_LEVEL", "ERROR")
    settings.cache_clear()
    soak.market.write_versions(soak.folder / "versions.parquet")
    soak.run(HISTORY)
    soak.check(HISTORY)
    with reading(soak):
        for n in range(HISTORY + 1, HISTORY + DAYS):
            age(soak.lake, 1, soak.server)
            soak.run(n)
            soak.check(n)
            for event, chance in ((soak.vacuum, 0.15), (soak.roll_back, 0.15), (soak.damage, 0.5)):
                if soak.dice.random() < chance:
                    event(n)
            if n % 10 == 0:
                soak.earlier = objects(soak.lake, soak.server)
        soak.do("check", "--json")
    print(dict(soak.events))

    at_once = str(soak.folder / "at-once")
    soak.run(HISTORY + DAYS - 1, lake=at_once)
    for view in BARS:
        (columns, got), (_, expected) = rows(soak.lake, view), rows(at_once, view)
        assert len(got) == len(expected), f"{view}: {len(got)} rows instead of {len(expected)}"
        different = [pair for pair in zip(got, expected, strict=True) if not is_same(columns, *pair)]
        assert not different, f"{view}: {len(different)} rows differ, the first {columns}: {different[0]}"
