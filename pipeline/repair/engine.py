"""Verify every object of a lake, and mend what is damaged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from stockstream.pipeline.companies import store_list
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.listings.base import Company
from stockstream.pipeline.markets import Market
from stockstream.pipeline.pointer import refresh
from stockstream.pipeline.repair.aside import set_aside
from stockstream.pipeline.repair.batches import (
    batch_keys,
    changed_batches,
    gone_batches,
    verify_batches,
    verify_quarantine,
)
from stockstream.pipeline.repair.lists import companies_per_day, verify_lists, verify_metadata
from stockstream.pipeline.repair.losses import bars_lost, object_lost
from stockstream.pipeline.repair.manifests import Generations, mend_generations, read_generations
from stockstream.pipeline.repair.model import Finding, Kind, Loss, Progress, RepairResult, describe
from stockstream.pipeline.repair.reading import reader
from stockstream.pipeline.repair.rebuild import name_existing_batches, rebuild_tables
from stockstream.pipeline.repair.rescue import Rescue, rescue_rows
from stockstream.pipeline.repair.silver import ARCHIVE, published_files, verify_silver
from stockstream.pipeline.repair.state import (
    mend_state,
    read_calendar,
    verify_calendar,
    verify_marker,
    verify_records,
)
from stockstream.pipeline.steps.consolidate import rules_version
from stockstream.sql.errors import ExitCode
from stockstream.sql.session import explained, run_date


def repair_lake(
    lake: Lake, apply: bool = False, market: Market | None = None, on_progress: Progress = lambda done, total: None
) -> RepairResult:
    """Verify every object of a lake; with `apply`, mend the damaged ones. `market` is used if the marker is damaged.

    What is computed from other objects is computed again. The bytes of what is damaged stay, as `damaged/KEY`.

    Raises:
        LakeError: the lake cannot be read or written, or a newer version of this program has written it.
    """
    repair = _Repair(lake, apply, market, on_progress)
    repair.run()
    return repair.result()


@dataclass
class _Repair:
    """One repair, or the dry run of one."""

    lake: Lake
    apply: bool
    market: Market | None
    on_progress: Progress
    findings: list[Finding] = field(default_factory=list)
    lost: list[Loss] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    generation: int | None = None
    verified: int = 0
    total: int = 0

    def run(self) -> None:
        """Verify and mend in the order in which objects depend on each other: state, silver, batch files, the rest."""
        listed = self.lake.store.list("")
        self.total = sum(not key.startswith("damaged/") for key in listed)
        generations = self._state()
        with reader() as con:
            self._verify(verify_silver(self.lake, generations))
            self._verify(verify_batches(self.lake, con, batch_keys(self.lake)))
            self._verify(gone_batches(self.lake, generations.newest))
            self._compare(generations)
            self._verify(verify_quarantine(self.lake, con))
            self._verify(verify_lists(self.lake, self._companies(generations)))
            self._verify(verify_metadata(self.lake, con))
            self._verify(verify_records(self.lake))
        self.on_progress(self.total, self.total)
        if self.apply and not all(finding.repaired for finding in self.findings):
            self._mend(generations)

    def result(self) -> RepairResult:
        """Return what was found and done."""
        code = ExitCode.COMPLETE
        if any(not finding.repaired for finding in self.findings):
            code = ExitCode.FAILED
        elif self.lost:
            code = ExitCode.PARTIAL
        return {
            "dry_run": not self.apply,
            "objects": self.verified,
            "findings": [describe(finding) for finding in self.findings],
            "lost": self.lost,
            "notes": self.notes,
            "generation": self.generation,
            "exit": int(code),
        }

    def _state(self) -> Generations:
        """Verify and mend the marker, the calendar, the pointer and the manifests."""
        with reader() as con:
            sessions, problem = read_calendar(self.lake, con)
        self.market, marker = verify_marker(self.lake, self.market, sessions)
        calendar = verify_calendar(self.market, sessions, problem)
        generations = read_generations(self.lake)
        state = [finding for finding in (marker, calendar) if finding is not None]
        self.findings += [*state, *generations.findings]
        self._count(3 + len(generations.readable))
        if self.apply:
            mend_state(self.lake, self.market, state)
            self.notes += mend_generations(self.lake, generations)
        return generations

    def _verify(self, results: Iterable[tuple[str, Finding | None]]) -> None:
        for _, finding in results:
            self._count(1)
            if finding is not None:
                self.findings.append(finding)

    def _count(self, objects: int) -> None:
        self.verified += objects
        self.on_progress(min(self.verified, self.total), self.total)

    def _compare(self, generations: Generations) -> None:
        """Compare batch files with the intact files of the silver bars, if these are judged as they are now."""
        bars, damaged = generations.newest.table("bars"), self._damaged()
        if all(file.key in damaged for file in bars.files) or bars.sql.get("rules") != rules_version():
            return
        if not self.apply and generations.findings:
            self.notes.append("batch files were not compared with silver, because the pointer has to be mended first")
            return
        self.findings += changed_batches(self.lake, generations.newest, damaged)

    def _companies(self, generations: Generations) -> dict[date, int]:
        """Return the number of companies per day by the table metadata, if that is as it was published."""
        table, damaged = generations.newest.table("metadata"), self._damaged()
        if not table.files or any(file.key in damaged for file in table.files):
            return {}
        try:
            return companies_per_day(self.lake)
        except LakeError:  # of a dry run: the pointer has to be mended first
            return {}

    def _damaged(self) -> set[str]:
        return {finding.object for finding in self.findings}

    def _of(self, *kinds: Kind) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind in kinds and not finding.repaired]

    def _mend(self, generations: Generations) -> None:
        before = head(self.lake).generation
        for finding in self._of(Kind.LIST):
            self._mend_list(finding, generations)
        kept = self._of(Kind.KEPT)
        for finding in self._of(Kind.RECORD, Kind.METADATA, Kind.QUARANTINE):
            set_aside(self.lake, finding.object)
            finding.repaired = True
            if finding.kind is Kind.QUARANTINE:
                self.lost.append(object_lost(finding.object, "values that could not be read"))
            elif finding.kind is Kind.METADATA and "listing-dates" in finding.object:
                self.lost.append(object_lost(finding.object, "listing dates"))
            elif finding.kind is Kind.METADATA:
                command = f"stockstream metadata --source polygon --lake {self.lake.uri}"
                self.lost.append(object_lost(finding.object, "answers about companies", command))
        if any(finding.kind in (Kind.LIST, Kind.QUARANTINE) for finding in self.findings):
            refresh(self.lake)  # the pointer lists these files for readers on S3
        silver, batches = self._of(Kind.SILVER), self._of(Kind.BATCH)
        broken = {finding.object for finding in silver}
        named = published_files(generations)
        if batches or any(named[finding.object].table in ("bars", ARCHIVE) for finding in [*silver, *kept]):
            self._report(rescue_rows(self.lake, generations, self._damaged()), generations)
        for finding in [*batches, *kept]:
            set_aside(self.lake, finding.object)
            finding.repaired = True
        for finding in [*batches, *(one for one in silver if named[one.object].table == ARCHIVE)]:
            self.notes.append(f"raw_bars lacks the rows of {finding.object}, which no other file has as they were")
        failed: set[str] = set()
        for tables, failure in rebuild_tables(self.lake, generations.newest, broken, self.market):
            if failure is not None:
                failed |= {*tables}
                self.notes.append(f"{', '.join(tables)}: {failure}")
        if batches or any(named[key].table == ARCHIVE for key in broken):
            name_existing_batches(self.lake)
        for finding in silver:
            if named[finding.object].table not in failed:
                self._retire(finding, named[finding.object].generations)
        after = head(self.lake).generation
        self.generation = after if after != before else None

    def _retire(self, finding: Finding, generations: tuple[int, ...]) -> None:
        """Set aside a damaged silver file that the newest generation no longer names."""
        if any(file.key == finding.object for table in head(self.lake).tables.values() for file in table.files):
            self.notes.append(f"{finding.object} is still in use: its table could not be computed again")
            return
        set_aside(self.lake, finding.object)
        finding.repaired = True
        numbers = f"{generations[-1]} to {generations[0]}" if len(generations) > 1 else f"{generations[0]}"
        self.notes.append(f"--as-of {numbers} can no longer read {finding.object}, which is damaged")

    def _mend_list(self, finding: Finding, generations: Generations) -> None:
        """Set a list of companies aside, and write who was listed on its day again, if the table metadata has it."""
        day, table = run_date(finding.object), generations.newest.table("metadata")
        is_intact = bool(table.files) and not any(file.key in self._damaged() for file in table.files)
        listings: list[Company] = []
        if day is not None and is_intact and table.through is not None and day <= table.through:
            listings = _listed_on(self.lake, day)
        set_aside(self.lake, finding.object)
        finding.repaired = True
        if listings and day is not None:
            store_list(self.lake, day, listings)
            self.lost.append(object_lost(finding.object, "market capitalisations of the list", None, len(listings)))
        else:
            command = f"stockstream run --lake {self.lake.uri}"
            self.lost.append(object_lost(finding.object, "the list of companies", command))

    def _report(self, rescue: Rescue, generations: Generations) -> None:
        for key, rows, is_intact in rescue.restored:
            origin = "an earlier generation" if is_intact else "the damaged file itself: compare them with the source"
            self.notes.append(
                f"{rows:,} bars that nothing else has are stored in {rescue.stored}, from {key}, {origin}"
            )
        self.lost += bars_lost(self.lake, rescue)


def _listed_on(lake: Lake, day: date) -> list[Company]:
    """Return the companies that were listed on a day, by the table metadata."""
    with explained(lake.uri), lake.session(no_files, "views/symbols_on") as con:
        query = (
            "SELECT symbol, coalesce(name, ''), sector FROM symbols_on($day) WHERE valid_from IS NOT NULL "
            "AND source IN ('directory', 'polygon') ORDER BY symbol"
        )
        rows = con.execute(query, {"day": day}).fetchall()
    return [Company(symbol, name, sector, None) for symbol, name, sector in rows]
