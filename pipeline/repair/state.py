"""The marker, the trading calendar and the records in `state/`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import CHECKS, HISTORY, MARKER, RUNS, SESSIONS, Lake
from stockstream.pipeline.markets import MARKETS, Market
from stockstream.pipeline.repair.aside import keep_copy, set_aside
from stockstream.pipeline.repair.model import Finding, Kind
from stockstream.pipeline.repair.reading import declared, local_files, whole_file
from stockstream.pipeline.sealing import unseal
from stockstream.sql.session import quoted

Sessions = set[tuple[date, datetime, datetime]]


def verify_marker(lake: Lake, market: Market | None, sessions: Sessions | None) -> tuple[Market | None, Finding | None]:
    """Return the market, of the marker if it is intact, and the finding about the marker.

    Without a marker the market is `market`, or the one whose calendar has most of the sessions of the lake's.
    """
    stored = lake.store.get(MARKER)
    try:
        held = json.loads(stored.data) if stored else {}
        marked = MARKETS[held["market"]]
        full = {"market": marked.name, "calendar": marked.calendar, "timezone": marked.timezone}
        if held == {"market": marked.name} or full.items() <= held.items():
            return marked, None
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    fitting = [one for one in MARKETS.values() if sessions and _differences(one, sessions) < len(sessions) / 2]
    market = market or (fitting[0] if len(fitting) == 1 else None)
    problem = "it is gone" if stored is None else "it names no market"
    action = f"write it again: the market is {market.name}" if market else "name the market: --market ASX or US"
    return market, Finding(MARKER, problem, action, Kind.MARKER)


def read_calendar(lake: Lake, con: DuckDBPyConnection) -> tuple[Sessions | None, str | None]:
    """Return the sessions of the lake's calendar that can be read, and what is wrong with the file."""
    if lake.store.get(SESSIONS) is None:
        return None, "it is gone"
    with local_files(lake, [SESSIONS]) as paths:
        problem = whole_file(con, paths[SESSIONS], declared(con, "schema/session"))
        if problem is not None:
            return None, problem
        query = f"SELECT date, open_utc, close_utc FROM read_parquet({quoted(paths[SESSIONS])})"
        sessions = {*con.execute(query).fetchall()}
        # DuckDB returns a date that Python does not have as a text.
        possible = {session for session in sessions if all(isinstance(value, date) for value in session)}
        return possible, None if possible == sessions else "it has dates that cannot be"


def verify_calendar(market: Market | None, sessions: Sessions | None, problem: str | None) -> Finding | None:
    """Return the finding about the calendar: it cannot be read, or it is not that of the market."""
    if problem is None and sessions is not None and market is not None:
        differences = _differences(market, sessions)
        if differences:
            problem = f"{differences} of its sessions are not those of {market.calendar}"
        elif not sessions:
            problem = "it has no sessions"
    if problem is None:
        return None
    return Finding(SESSIONS, problem, "write it again from the calendar of the exchange", Kind.CALENDAR)


def _differences(market: Market, sessions: Sessions) -> int:
    """Return the number of sessions that are in only one of the two calendars, up to the end of the lake's."""
    if not sessions:
        return 0
    last = max(sessions)[0]
    try:
        schedule = market.schedule(min(last.year, date.today().year + 1))  # `Lake.prepare` writes no later year
    except ValueError:  # a year that no calendar has
        return len(sessions)
    frame = schedule.loc[: str(last)]
    times = (frame[name].dt.tz_convert(UTC).dt.tz_localize(None) for name in ("open", "close"))
    opens, closes = (column.to_numpy().astype("datetime64[us]").tolist() for column in times)
    expected = {*zip(frame.index.date, opens, closes, strict=True)}
    return len(expected ^ sessions)


def mend_state(lake: Lake, market: Market | None, findings: list[Finding]) -> None:
    """Write the marker and the calendar again, and keep the bytes of those that were damaged.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    marker = [finding for finding in findings if finding.kind is Kind.MARKER]
    calendar = [finding for finding in findings if finding.kind is Kind.CALENDAR]
    if market is None or not (marker or calendar):
        return
    if marker:
        set_aside(lake, MARKER)
        lake.mark(market)
    if calendar:
        keep_copy(lake, SESSIONS)
    lake.prepare(market, market.today(datetime.now(UTC)))
    for finding in marker + calendar:
        finding.repaired = True


def verify_records(lake: Lake) -> Iterator[tuple[str, Finding | None]]:
    """Yield the key of each record of checks and runs, and the finding about it."""
    for prefix, action in {
        HISTORY: "set it aside; it is a copy of what the manifests have",
        CHECKS: "set it aside; `stockstream check` computes it again",
        RUNS: "set it aside; it is a log of a run",
    }.items():
        for key in [prefix] if prefix == HISTORY else lake.store.list(prefix):
            stored = lake.store.get(key)
            try:
                is_record = stored is None or isinstance(json.loads(unseal(stored.data) or b""), dict | list)
            except ValueError:
                is_record = False
            yield (
                key,
                None if is_record else Finding(key, "it is no JSON, or not as it was stored", action, Kind.RECORD),
            )
