"""The damage table: every kind of file in a lake, damaged in every way, in a folder; a quarter of the cells on S3.

A cell takes three seconds of CPU. What differs on S3 is how files are read, of which each damage has four samples.

Every reader serves right values or says in one line what is wrong, and `stockstream repair --apply` restores the views
except for the rows that it reports as lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stockstream.analytics.cli import temporary
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.refresh_carried import run as refresh_carried
from stockstream.pipeline.steps.refresh_indicators import run as refresh_indicators
from stockstream.pipeline.steps.resample import run as resample
from tests.faults._cli import answer, command, notices
from tests.faults._damage import DAMAGES, NO_PERMISSION, Sample, keys_by_kind, make_sample, without_override
from tests.faults._judge import BARS, TABLES, Cell, Losses, bars_of, contents, judged, read, readers
from tests.faults._lake import INTERVAL, Sums, objects, publish_all
from tests.faults.conftest import short_tail
from tests.injected import Injected
from tests.s3_server import S3Server

pytestmark = pytest.mark.faults
KINDS = (
    "pointer", "newest manifest", "old manifest", "silver bars base", "silver bars delta", "silver bars tier",
    "resampled", "indicators", "metadata", "archive", "batch file consolidated", "batch file fresh", "quarantine file",
    "calendar", "marker", "symbols list", "state/checks", "state/runs",
)  # fmt: skip
OTHERS = {"resampled", "indicators", "metadata", "quarantine file", "state/checks", "state/runs", "old manifest"}
"""The kinds without which the bars are served nevertheless."""


@dataclass(frozen=True)
class Prepared:
    """The lake before any damage, and what is expected of it."""

    sample: Sample
    keys: dict[str, str]
    valid: set[tuple[str, Sums]]
    """The sums of the views: as they are; once new batch files are published; and computed from the beginning.

    A repair may consolidate batch files that are new, and indicators from the beginning differ by rounding.
    """
    bars: set[tuple[str, str]]
    answers: dict[str, dict[str, Any]]
    """The answers of the readers by kind."""


@pytest.fixture(autouse=True)
def _one_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    set_interval(monkeypatch)
    monkeypatch.setattr(temporary, "leftovers", list)  # of other processes on this machine


def set_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all commands resample to the one interval that the lake has."""
    monkeypatch.setenv("STOCKSTREAM_RESAMPLE", f'["{INTERVAL}"]')
    monkeypatch.setenv("STOCKSTREAM_LOG_LEVEL", "ERROR")
    settings.cache_clear()


@pytest.fixture(scope="module")
def prepared(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("damage")
    with pytest.MonkeyPatch.context() as monkeypatch, short_tail():
        set_interval(monkeypatch)
        monkeypatch.setattr(temporary, "leftovers", list)
        sample = make_sample(folder, s3_server)
        lake = str(folder / "lake")
        valid, bars = {*contents(lake).items()}, bars_of(lake)
        once = {name: read(lake, argv)[1] for name, argv in readers("").items() if name != "query of the table"}
        tables = {view: read(lake, readers(kind)["query of the table"])[1] for kind, view in TABLES.items()}
        tables[BARS] = read(lake, readers("")["query of the table"])[1]
        answers = {kind: once | {"query of the table": tables[TABLES.get(kind, BARS)]} for kind in KINDS}
        keys = keys_by_kind(Lake(lake))
        valid |= computed_again(lake, resample, refresh_indicators, refresh_carried)
        publish_all(Lake(lake))
        valid |= contents(lake).items()
        valid |= computed_again(lake, consolidate, resample, refresh_indicators, refresh_carried)
        return Prepared(sample, keys, valid, bars, answers)


def computed_again(lake: str, *steps: Callable[[Any, Lake], Any]) -> set[tuple[str, Sums]]:
    """Return the sums of the views after some steps have computed their tables from the beginning."""
    for step in steps:
        step({"full": True}, Lake(lake))
    return {*contents(lake).items()}


@contextmanager
def forbidden(server: S3Server, key: str) -> Iterator[None]:
    """Answer every request for an object with 403."""
    whole: Callable[..., Iterable[bytes]] = server._server.app  # type: ignore[assignment]
    body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].endswith(f"/{key}"):
            return whole(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    server._server.app = app  # type: ignore[assignment]
    try:
        yield
    finally:
        server._server.app = whole  # type: ignore[assignment]


@contextmanager
def damaged(cell: Cell, prepared: Prepared, lake: str, server: S3Server) -> Iterator[None]:
    """Write the lake with the damaged file; within the block it has no permission, if that is the damage."""
    held = dict(prepared.sample.objects)
    data = DAMAGES[cell.damage](held[cell.key], cell.key, prepared.sample)
    if data is None:
        del held[cell.key]
    else:
        held[cell.key] = data
    with ExitStack() as stack:
        write(lake, held, server)
        if cell.damage == NO_PERMISSION:
            if cell.place == "s3":
                stack.enter_context(forbidden(server, cell.key))
            else:
                Path(lake, cell.key).chmod(0)
                stack.callback(lambda: Path(lake, cell.key).exists() and Path(lake, cell.key).chmod(0o644))
                stack.enter_context(without_override())
        yield


def write(lake: str, held: Mapping[str, bytes], server: S3Server) -> None:
    """Write the objects of a lake."""
    if lake.startswith("s3://"):
        server.fill(lake, held)
        return
    for key, data in held.items():
        path = Path(lake, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def read_by_all(cell: Cell, prepared: Prepared, lake: str, injected: Injected) -> str:
    """Run all readers on a damaged lake; return `served` if none of them noticed, otherwise `named`."""
    verdicts = {}
    for name, argv in readers(cell.kind).items():
        ended, value = read(lake, argv)
        injected(argv[0], f"{cell.place}: {cell.kind}", cell.damage)
        verdicts[name] = judged(name, ended, value, prepared.answers[cell.kind][name], cell)
        if name == "query" and cell.kind in OTHERS:
            assert value == prepared.answers[cell.kind][name], f"the bars are not served: {ended}"
    if cell.kind.startswith("silver bars"):
        assert verdicts["check"] == "named", "check does not notice it"
    return "named" if "named" in verdicts.values() else "unnoticed" if cell.is_silent else "served"


def repaired(cell: Cell, prepared: Prepared, lake: str) -> tuple[bool, Losses]:
    """Run `repair`; return whether it finds anything, and what it reports as lost."""
    plan = command("repair", "--json", "--lake", lake)
    applied = command("repair", "--apply", "--json", "--lake", lake)
    for ended in (plan, applied):
        assert "Traceback" not in ended.err, ended
        assert answer(ended) is not None or (cell.damage == NO_PERMISSION and notices(ended)), ended
    is_noticed = bool((answer(plan) or {}).get("findings")) or answer(plan) is None
    return is_noticed, Losses.of(answer(applied))


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_a_sound_lake_has_nothing_to_repair(place: str, prepared: Prepared, s3: S3Server, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake") if place == "folder" else f"s3://{s3.new_bucket()}/lake"
    write(lake, prepared.sample.objects, s3)
    for argv in (["repair", "--json"], ["repair", "--apply", "--json"]):
        ended = command(*argv, "--lake", lake)
        assert (ended.code, notices(ended)) == (0, []), ended
        assert (answer(ended)["findings"], answer(ended)["lost"]) == ([], []), ended
    assert objects(lake, s3) == prepared.sample.objects


def cells() -> Iterator[tuple[str, str, str]]:
    """Return place, kind and damage of each cell: all of them in a folder; on S3 two damages per kind, in turn."""
    yield from (("folder", kind, damage) for kind in KINDS for damage in DAMAGES)
    damages = [*DAMAGES]
    for number, kind in enumerate(KINDS):
        yield from (("s3", kind, damages[(number + step) % len(damages)]) for step in (0, len(damages) // 2))


@pytest.mark.parametrize(("place", "kind", "damage"), [*cells()])
def test_damage(
    place: str,
    kind: str,
    damage: str,
    prepared: Prepared,
    s3: S3Server,
    tmp_path: Path,
    injected: Injected,
    request: pytest.FixtureRequest,
) -> None:
    if kind not in prepared.keys:
        return  # a lake without tiers
    cell = Cell(place, kind, damage, prepared.keys[kind])
    if damage == "older copy" and DAMAGES[damage](b"", cell.key, prepared.sample) is None:
        return  # there is no older one
    lake = str(tmp_path / "lake") if place == "folder" else f"s3://{s3.new_bucket()}/lake"
    with damaged(cell, prepared, lake, s3):
        injected("repair", f"{place}: {kind}", damage)
        seen = read_by_all(cell, prepared, lake, injected)
        is_noticed, lost = repaired(cell, prepared, lake)
    assert is_noticed or seen != "named", "readers notice it, and repair does not"
    after = bars_of(lake)
    assert after <= prepared.bars
    gone = sorted(bar for bar in prepared.bars - after if not lost.names(*bar))
    assert not gone or cell.is_silent, f"bars are gone that repair does not report as lost: {gone}"
    different = {name for name, sums in contents(lake).items() if (name, sums) not in prepared.valid}
    if lost.has_raw_rows_of(cell.key):
        different -= {"raw_bars"}
    assert not different or lost.entries or cell.is_silent, f"repair does not restore {', '.join(sorted(different))}"
    again = command("repair", "--json", "--lake", lake)
    assert again.code == 0, f"repair finds something again: {again}"
    end = "" if not is_noticed else f"; repaired, lost {lost.rows} rows" if lost.entries else "; repaired"
    request.node.user_properties.append(("cell", [place, kind, damage, seen + end]))
