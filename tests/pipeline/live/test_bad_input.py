"""Bad input through the command line: counted by reason and in no bar, or an error that names what is wrong."""

from __future__ import annotations

import gzip
import json
import random
import resource
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.analytics import connect
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.state import state_of
from tests.pipeline.live.feed import DAY, OPENS, SESSION, expected, frames, seconds
from tests.pipeline.live.test_fold import prices, second
from tests.pipeline.live.test_stream import add_batch, command, live, record, run, stream
from tests.unprivileged import open_folder, unprivileged

DAY_MS = 86_400_000


def raw(**values: str) -> bytes:
    """Return a frame of one event in which some values are replaced by JSON text."""
    text = json.dumps(second(sym="AAA") | {name: f"<{name}>" for name in values})
    for name, value in values.items():
        text = text.replace(f'"<{name}>"', value)
    return f"[{text}]".encode()


FRAMES: dict[str, list[bytes]] = {
    "malformed frame": [
        b"",
        b"[",
        b'[{"ev":"A","sym":',
        bytes(range(32, 256)),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"text"',
        b"null",
        raw(sym='"\xff"'.encode("latin-1").decode("latin-1")).replace("ÿ".encode(), b"\xff"),
    ],
    "malformed event": [
        b'[1, "x", null, [], {}]',
        b'[{"ev":"A"}, {"ev":5}, {"ev":["A"]}, {"ev":null}]',
        raw(o="NaN"),
        raw(v="Infinity"),
        raw(h="1e400"),
        raw(v='"100"'),
        raw(v="true"),
        raw(s="1.5"),
        raw(sym="5"),
        raw(sym='"A\\ud800"'),
        json.dumps({"type": "pricing", "message": "!"}).encode(),
        json.dumps({"type": "pricing"}).encode(),
    ],
    "unknown type": [b'[{"ev":"Q","sym":"AAA"}, {"ev":"LULD","T":"AAA"}]', b'{"ev":"A"}', b'{"type":["pricing"]}'],
    "unknown symbol": [raw(sym=text) for text in ('""', '"aaa"', '"ZZZ"', '"A\\u0000"', f'"{"A" * 9999}"')],
    "impossible price": [raw(**one) for one in ({"l": "-1"}, {"h": "9"}, {"o": "11"}, {"c": "10.5"}, {"h": "1e300"})],
    "impossible volume": [raw(v=text) for text in ("-1", "1e300", "1" + "0" * 400)],
    "another day": [raw(s=str(OPENS + DAY_MS)), raw(s=str(OPENS - DAY_MS)), raw(s=str(2**62)), raw(s=str(-(2**62)))],
    "another kind of event": [raw(ev='"AM"')],
    "outside the session": [raw(s=str(OPENS - 1000), av="0")],
}
"""Frames by the reason for which their events are not used."""


def count_of(reason: str, frame: bytes) -> int:
    """Return the number of faults in a frame."""
    try:
        return len(json.loads(frame)) if reason != "malformed frame" and frame[:1] == b"[" else 1
    except ValueError:
        return 1


def test_every_kind_of_bad_frame_is_counted_by_reason_and_is_in_no_bar(tmp_path: Path) -> None:
    events = seconds(["AAA", "BBB"], 90)
    good = frames(events, 3)
    bad = [(reason, frame) for reason, listed in FRAMES.items() for frame in listed]
    random.Random(16).shuffle(bad)
    assert len(bad) < len(good)
    lines = [good[0]]
    for number, frame in enumerate(good[1:]):
        lines += [frame, *([bad[number][1]] if number < len(bad) else [])]
    (tmp_path / "day.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    add_batch(tmp_path / "lake", "2026-11-24", [(name, date(2026, 11, 24), 10.0, 1.0) for name in ("AAA", "BBB")])
    status = stream(f"replay:{tmp_path / 'day.jsonl'}", tmp_path / "lake", code=3)
    want: Counter[str] = Counter()
    for reason, frame in bad:
        want[reason] += count_of(reason, frame)
    assert status["not_used"] == want
    assert live(tmp_path / "lake") == expected(events)
    assert all(name.isprintable() for name in status["unknown_symbols"])


def test_one_number_that_is_none_does_not_cost_the_other_events_of_its_frame() -> None:
    good = [second(sym=name) for name in ("AAA", "BBB")]
    text = json.dumps([good[0], second(sym="CCC", v="?"), good[1]]).replace('"?"', "NaN")
    counts: Counter[str] = Counter()
    assert [event.symbol for event in decode(text.encode(), counts)] == ["AAA", "BBB"]
    assert counts == {"malformed event": 1}


PARTS = [b"", b"-", b"9", b"e9", b"null", b"NaN", b'"', b"}", b"[", b"\xff", b"\\ud800"]


@given(st.data())
def test_no_damage_of_a_frame_raises_or_makes_an_impossible_bar(data: st.DataObject) -> None:
    frame = bytearray(frames(seconds(["AAA", "BBB"], 3), 9)[0])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(frame) - 1))
        part = data.draw(st.sampled_from(PARTS))
        frame[at : at + data.draw(st.integers(0, 4))] = part
    fold = Fold(SESSION)
    fold.apply("1", decode(bytes(frame), fold.counts))
    for symbol, (open_, high, low, close, volume) in prices(fold).items():
        assert symbol.isprintable()
        assert 0 < low <= min(open_, close) <= max(open_, close) <= high < 1e9
        assert 0 <= volume < 1e14
    msgspec.json.encode(state_of(fold, "test", "1"))


@pytest.mark.parametrize("name", ["av", "op"])
@pytest.mark.parametrize("value", [-1, 1e300])
def test_an_impossible_number_of_the_day_is_counted_and_its_event_used(name: str, value: float) -> None:
    fold = Fold(SESSION)
    fold.apply("1", decode(json.dumps([second(**{name: value})]).encode(), fold.counts))
    assert fold.counts == {"impossible volume of the day" if name == "av" else "impossible official open": 1}
    assert prices(fold) == {"BHP": (10.0, 10.0, 10.0, 10.0, 100.0)}


def test_two_names_of_a_symbol_have_one_bar(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    add_batch(lake, "2026-11-24", [("BRK.B", date(2026, 11, 24), 10.0, 1.0)])
    events = [second(sym="BRK.B"), second(sym="BRK-B"), second(sym="BRK-B", s=OPENS + 1000, h=11.0)]
    status = stream(record(tmp_path / "day.jsonl", events, 2), lake)
    assert status["not_used"] == {"duplicate": 1}
    assert live(lake) == {"BRK.B": (10.0, 11.0, 10.0, 10.0, 200.0)}


@pytest.mark.parametrize("stray", [2**62, 0, -1, OPENS - DAY_MS, OPENS + DAY_MS])
def test_a_first_event_of_another_day_does_not_decide_the_session(stray: int, tmp_path: Path) -> None:
    events = [second(), second(s=OPENS + 1000)]
    status = stream(record(tmp_path / "day.jsonl", [second(s=stray), *events]), tmp_path / "lake")
    assert (status["session"], status["symbols"], status["not_used"]) == (str(DAY), 1, {"another day": 1})


def test_a_recording_without_any_use_is_not_complete(tmp_path: Path) -> None:
    source = record(tmp_path / "day.jsonl", [second(), second(s=OPENS + 1000)])
    status = stream(source, tmp_path / "lake", "--session", "2026-11-24", code=3)
    assert (status["status"], status["not_used"]) == ("partial", {"another day": 2})
    impossible = record(tmp_path / "other.jsonl", [second(s=2**62)])
    assert run(impossible, tmp_path / "lake")[::2] == (
        2,
        "no event of the recording has a time that can be one: name its day with --session",
    )


def test_a_split_of_an_unknown_symbol_is_refused_and_lower_case_is_not(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    add_batch(lake, "2026-11-24", [("AAA", date(2026, 11, 24), 100.0, 1.0)])
    source = record(tmp_path / "day.jsonl", [second(sym="AAA")])
    code, _, message = run(source, lake, "--split", "AAB=10")
    assert (code, message) == (2, "AAB: neither in the list of companies nor in the bars; did you mean AAA?")
    stream(source, lake, "--split", "aaa=10")
    with connect(lake) as con:
        assert con.execute("SELECT split_ratio, previous_close FROM live").fetchall() == [(10.0, 10.0)]


@pytest.mark.parametrize("how", ["cut", "no gzip", "changed"])
def test_a_damaged_recording_is_named(how: str, tmp_path: Path) -> None:
    data = gzip.compress(b"".join(frame + b"\n" for frame in frames(seconds(20, 100))))
    file = tmp_path / "day.jsonl.gz"
    file.write_bytes({"cut": data[:-9], "no gzip": b"[]\n", "changed": data[:20] + b"\xff" * 20 + data[40:]}[how])
    code, _, message = run(f"replay:{file}", tmp_path / "lake")
    assert code == 1
    assert message.startswith(f"cannot read {file}: ")


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old.encode(), new.encode())


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "not UTF-8": lambda data: data.replace(b"replay:", b"replay\xff"),
    "foreign": lambda data: b'{"some": "thing"}',
    "a list": lambda data: b"[]",
    "null": lambda data: b"null",
    "kind": replaced('"kind":"A"', '"kind":"ZZ"'),
    "window": replaced('"seen":"', '"seen":"x'),
    "position": replaced('"position":"0', '"position":"x'),
    "other session": replaced('"session":"2026-11-25"', '"session":"2026-11-24"'),
}


@pytest.mark.parametrize(
    "how", [how if how in ("cut", "kind") else pytest.param(how, marks=pytest.mark.large) for how in DAMAGE]
)
def test_a_damaged_state_is_named_and_can_be_begun_again(how: str, tmp_path: Path) -> None:
    lake, events = tmp_path / "lake", seconds(3, 10)
    source = record(tmp_path / "day.jsonl", events)
    stream(source, lake)
    (state,) = (lake / "live" / str(DAY) / "bars").iterdir()
    before = state.read_bytes()
    state.write_bytes(DAMAGE[how](before))
    assert state.read_bytes() != before
    code, _, message = run(source, lake)
    assert code == 1
    assert message.startswith(f"{state} is damaged (")
    assert "`stockstream stream --restart`" in message
    if how in ("empty", "cut", "not UTF-8", "foreign", "a list", "null"):
        for view in ("live", "bars_live"):
            with connect(lake) as con, pytest.raises(duckdb.Error, match=f"{state} is damaged: `stockstream stream"):
                con.execute(f"SELECT count(*) FROM {view}").fetchall()
    stream(source, lake, "--restart")
    assert live(lake) == expected(events)


def test_files_of_others_and_files_being_written_are_no_states_and_no_journal(tmp_path: Path) -> None:
    lake, events = tmp_path / "lake", seconds(3, 10)
    source = record(tmp_path / "day.jsonl", events)
    stream(source, lake)
    session = lake / "live" / str(DAY)
    (session / "journal").mkdir(exist_ok=True)
    for name in ("bars/.aside-000099.json", "bars/notes.json", "journal/notes.jsonl", "journal/x-1.jsonl"):
        (session / name).write_bytes(b"half of")
    (lake / "live/notes").mkdir()
    assert live(lake) == expected(events)
    stream(source, lake)
    assert live(lake) == expected(events)


@pytest.mark.slow
def test_a_full_disk_ends_the_stream_with_one_line_and_the_next_one_continues(tmp_path: Path) -> None:
    events = seconds(50, 100)
    source, lake = record(tmp_path / "day.jsonl", events), tmp_path / "lake"
    limit = 400_000  # bytes of a file: the calendar needs less, the journal more
    ended = subprocess.run(
        command(source, str(lake)),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [f"error: cannot write the journal {lake}/live/{DAY}/journal: File too large"]
    stream(source, lake)
    assert live(lake) == expected(events)


def test_a_lake_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    source = record(tmp_path / "day.jsonl", [second()])
    data = Path(source.removeprefix("replay:")).read_bytes()
    with open_folder() as folder:
        (folder / "day.jsonl").write_bytes(data)
        lake = folder / "lake"
        stream(source, lake)
        for path in [lake, *lake.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        with unprivileged():
            code, _, message = run(f"replay:{folder / 'day.jsonl'}", lake)
    assert code == 1
    assert message.startswith(f"cannot write {lake}/")
    assert message.endswith("Permission denied")


@pytest.mark.slow
def test_two_streams_of_a_session_do_not_run_at_once(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    source = record(tmp_path / "day.jsonl", seconds(3, 60))
    with subprocess.Popen(
        command(source, str(lake), "--speed", "0.1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as first:
        lease = lake / "live" / str(DAY) / "lease.json"
        while not lease.exists() and first.poll() is None:
            pass
        code, _, message = run(source, lake)
        first.terminate()
        first.communicate(timeout=60)
    assert code == 1
    assert f"process {first.pid} has the session {DAY}: stop it" in message
    assert first.returncode == 143
    stream(source, lake)
    assert live(lake) == expected(seconds(3, 60))
