"""A split that Yahoo lists before it restates older prices: adjusted prices become right, and no request is endless."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.events import BatchResult, FetchBatchEvent
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from stockstream.sql.loader import load
from tests.yahoo_replay import Chart, YahooReplay, chart

US = MARKETS["US"]
NEW_YORK = ZoneInfo("America/New_York")
SESSIONS = [session.date() for session in US.schedule(2024).loc["2024-03-01":"2024-07-31"].index]  # type: ignore[misc]
EX_DATE = SESSIONS[30]
SPLIT = {EX_DATE: (4, 1)}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def answer(through: int, restated_from: int = 0) -> Chart:
    """Return Yahoo's bars: 400 before the split and 100 after it; those from a session on are restated."""

    def price(session: int) -> float:
        return 400.0 if session < 30 and session < restated_from else 100.0

    bars = [(day, *[price(n)] * 4, round(4e6 / price(n))) for n, day in enumerate(SESSIONS[: through + 1])]
    return chart("X", bars, splits=SPLIT if through >= 30 else None, timezone="America/New_York")


def fetch(uri: str, session: int) -> BatchResult:
    evening = datetime.combine(SESSIONS[session], time(20), NEW_YORK)
    event: FetchBatchEvent = {"symbols": ["X"], "date": str(SESSIONS[session]), "batchNumber": 0}
    with time_machine.travel(evening):
        source = open_source("yahoo", US, settings())
        return fetch_batch(event | {"start": str(SESSIONS[0])}, Lake(uri), source, US, evening)


def closes(uri: str, view: str = "bars_adjusted") -> set[float]:
    with Lake(uri).session() as con:
        return {row[0] for row in con.sql(f"SELECT close FROM {view}").fetchall()}


def findings(uri: str) -> list[str]:
    with Lake(uri).session() as con:
        return [row[-1] for row in con.sql(load("checks/bars__split_step").text).fetchall()]


def window_of(yahoo: YahooReplay) -> date:
    """Return the first day of the latest request."""
    return datetime.fromtimestamp(int(yahoo.charts("X")[-1].query["period1"]), NEW_YORK).date()


def test_a_history_fetched_before_the_vendor_restated_it_is_fetched_again(yahoo: YahooReplay, tmp_path: Path) -> None:
    uri = str(tmp_path)
    yahoo.script("X", answer(30, restated_from=30))
    fetch(uri, 30)
    assert closes(uri) == {400.0, 100.0}
    assert findings(uri) == [
        f"the close of {SESSIONS[29]} is 4 times that of {EX_DATE} in today's shares, about the step of a split 4: "
        "older prices are not restated"
    ]
    yahoo.script("X", answer(31))
    fetch(uri, 31)
    assert window_of(yahoo) == SESSIONS[0]
    assert closes(uri) == {100.0}
    assert closes(uri, "bars_as_traded") == {400.0, 100.0}
    assert findings(uri) == []
    yahoo.script("X", answer(32))
    fetch(uri, 32)
    assert window_of(yahoo) > SESSIONS[20], "the trailing sessions only"


def test_only_a_part_is_restated_at_first(yahoo: YahooReplay, tmp_path: Path) -> None:
    """The trailing sessions are restated, the bars before them were stored with the basis of the ex-date."""
    uri = str(tmp_path)
    yahoo.script("X", answer(30, restated_from=30))
    fetch(uri, 30)
    yahoo.script("X", answer(31, restated_from=26))
    fetch(uri, 31)
    assert closes(uri) == {400.0, 100.0}
    yahoo.script("X", answer(32))
    fetch(uri, 32)
    assert closes(uri) == {100.0}


def test_prices_that_stay_as_they_are_are_not_requested_for_ever(yahoo: YahooReplay, tmp_path: Path) -> None:
    """The fall on the ex-date may be real, or the vendor never restates: the check keeps reporting it."""
    uri = str(tmp_path)
    whole = []
    for session in (30, 31, 92, 93):
        yahoo.script("X", answer(session, restated_from=30))
        fetch(uri, session)
        whole.append(window_of(yahoo) == SESSIONS[0])
    requests = len(yahoo.charts("X"))
    assert fetch(uri, 93)["up_to_date"] == 1
    assert len(yahoo.charts("X")) == requests
    last = EX_DATE + timedelta(days=90)
    assert whole == [day <= last for day in (SESSIONS[n] for n in (30, 31, 92, 93))]
    assert not whole[-1]
    assert findings(uri)


def test_bars_before_the_split_need_no_request_and_keep_their_basis(yahoo: YahooReplay, tmp_path: Path) -> None:
    """Prices that are not restated keep their basis when another column is corrected, and lend it to missed days."""
    uri = str(tmp_path)
    unrestated = answer(30, restated_from=30)
    yahoo.script("X", answer(27, restated_from=30))
    fetch(uri, 27)
    (result,) = unrestated["chart"]["result"]
    result["indicators"]["quote"][0]["volume"][26] += 7
    result["indicators"]["adjclose"][0]["adjclose"][26] = 99.0
    yahoo.script("X", unrestated)
    assert fetch(uri, 30)["rows"] == 4, "the corrected bar, two missed ones and the newest"
    assert closes(uri) == {100.0}
    assert closes(uri, "bars_as_traded") == {400.0, 100.0}
    yahoo.script("X", answer(31))
    fetch(uri, 31)
    assert closes(uri) == {100.0}
    assert findings(uri) == []
