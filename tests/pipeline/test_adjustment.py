"""Prices stay right after a split or a dividend, without fetching the history again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine
from duckdb import DuckDBPyConnection
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from tests.conftest import made_up_too
from tests.yahoo_replay import YahooReplay, chart, recorded

US = MARKETS["US"]
NEW_YORK = ZoneInfo("America/New_York")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PRICES = "SELECT symbol, date, open, high, low, close, volume FROM {} ORDER BY symbol, date"


def fetch(lake: Lake, symbol: str, on: date, start: date) -> None:
    """Run the pipeline as it would have run on the evening of a day in New York."""
    evening = datetime(on.year, on.month, on.day, 20, tzinfo=NEW_YORK)
    with time_machine.travel(evening, tick=True):
        result = run(lake, open_source("yahoo", US, settings()), US, symbols=[symbol], start=start)
    assert result["status"] == "complete", result


def assert_same_prices(left: DuckDBPyConnection, right: DuckDBPyConnection, view: str, tolerance: float) -> int:
    ours, theirs = left.sql(PRICES.format(view)).fetchall(), right.sql(PRICES.format(view)).fetchall()
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a[2:6] == pytest.approx(b[2:6], rel=tolerance), (a, b)
        assert a[6] == pytest.approx(b[6], rel=1e-6, abs=4)  # the volume that Yahoo reported before a split is rounded
    return len(ours)


@pytest.mark.large
@made_up_too
def test_a_recorded_split_equals_a_full_refetch(yahoo: YahooReplay, shared: Path, tmp_path: Path) -> None:
    """NVDA split 4 for 1 on 2021-07-20: one lake was filled before it and then daily, the other all at once after."""
    body = recorded(shared / "yahoo_chart" / "historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json")
    result = body["chart"]["result"][0]
    quote, adjusted = result["indicators"]["quote"][0], result["indicators"]["adjclose"][0]["adjclose"]
    days = [datetime.fromtimestamp(stamp, NEW_YORK).date() for stamp in result["timestamp"]]
    split = date(2021, 7, 20)
    before = [  # what Yahoo reported until the split: prices of old shares
        (
            day,
            *(4 * quote[name][i] for name in ("open", "high", "low", "close")),
            quote["volume"][i] // 4,
            4 * adjusted[i],
        )
        for i, day in enumerate(days)
        if day < split
    ]
    daily, at_once = Lake(str(tmp_path / "daily")), Lake(str(tmp_path / "at-once"))
    start = days[0]

    yahoo.script("NVDA", chart("NVDA", before, timezone="America/New_York"))
    fetch(daily, "NVDA", on=date(2021, 7, 16), start=start)
    yahoo.script("NVDA", body)
    for day in (date(2021, 7, 20), date(2021, 7, 21), date(2021, 9, 1), date(2022, 1, 31)):
        fetch(daily, "NVDA", on=day, start=start)
    fetch(at_once, "NVDA", on=date(2022, 1, 31), start=start)

    with daily.session() as left, at_once.session() as right:
        bases = left.sql("SELECT count(*) FILTER (WHERE price_basis < '2021-07-20') FROM bars").fetchall()
        assert bases[0][0] > 90, "most bars before the split must be those stored then"
        assert assert_same_prices(left, right, "bars_adjusted", 1e-9) == 252
        assert assert_same_prices(left, right, "bars_as_traded", 1e-9) == 252
        as_traded = {row[0]: row[1:] for row in left.sql("SELECT date, close, volume FROM bars_as_traded").fetchall()}
    assert all(as_traded[row[0]][0] == pytest.approx(row[4], rel=1e-9) for row in before)


@made_up_too
@pytest.mark.parametrize(
    ("symbol", "recording"),
    [("MSFT", "historical-via-chart-MSFT-dividends-2021-02-01-to-2022-01-31.csv.json")],
)
def test_recorded_dividends_give_yahoos_own_adjusted_close(
    symbol: str, recording: str, yahoo: YahooReplay, shared: Path, tmp_path: Path
) -> None:
    yahoo.script(symbol, recorded(shared / "yahoo_chart" / recording))
    lake = Lake(str(tmp_path / "lake"))
    fetch(lake, symbol, on=date(2022, 1, 31), start=date(2021, 2, 1))
    with lake.session() as con:
        assert con.sql("SELECT count(*) FROM actions WHERE dividend > 0").fetchall() == [(4,)]
        # Yahoo's series continues after the recording: later dividends scale all of it by one factor.
        rows = con.sql(
            "SELECT a.close / b.adjusted_close FROM bars_adjusted a JOIN bars b USING (symbol, date) ORDER BY date"
        ).fetchall()
    ratios = [row[0] / rows[-1][0] for row in rows]
    assert len(ratios) == 252
    assert ratios == pytest.approx([1.0] * len(ratios), rel=2e-6)


def test_demo_equals_its_vendors_adjusted_close(tmp_path: Path) -> None:
    """Thirteen years of five companies as traded, three splits and 92 dividends among them."""
    pytest.importorskip("bokeh_sampledata", reason="the demo extra is not installed")
    lake = Lake(str(tmp_path / "lake"))
    run(lake, open_source("demo", US, settings()), US)
    with lake.session() as con:
        worst = con.sql("""
            SELECT max(abs(ratio / last_ratio - 1)) FROM (
                SELECT a.close / b.adjusted_close AS ratio, last_value(a.close / b.adjusted_close) OVER (
                    PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
                ) AS last_ratio
                FROM bars_adjusted a JOIN bars b USING (symbol, date)
            )""").fetchall()[0][0]
        assert con.sql("SELECT count(*) FROM gaps").fetchall() == [(0,)]
    assert worst < 1e-11


class Vendor(Source):
    """A vendor like Yahoo: prices, volumes and dividends are in the shares of the day of the request."""

    name = "vendor"

    def __init__(self, traded: Sequence[tuple[date, float, float, float]]) -> None:
        self.traded = traded  # day, close as traded, dividend as paid, split ratio
        self.today = traded[-1][0]

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        rows = []
        for day, close, dividend, ratio in self.traded:
            since = 1.0
            for later, _, _, split in self.traded:
                since *= split if day < later <= self.today else 1.0
            if day <= self.today:
                values = {"close": close / since, "dividend": dividend / since, "volume": round(1000 * since)}
                rows.append(
                    {"symbol": "X", "date": str(day), "split_ratio": ratio, "price_basis": str(self.today), **values}
                )
        kinds = {"symbol": "VARCHAR", "date": "DATE", "close": "DOUBLE", "dividend": "DOUBLE", "volume": "BIGINT"}
        kinds |= {"split_ratio": "DOUBLE", "price_basis": "DATE"}
        query = f"SELECT r.* FROM (SELECT unnest(from_json($rows, '{json.dumps([kinds])}')) AS r)"
        bars = con.sql(query, params={"rows": json.dumps(rows)})
        yield Answer(("X",), bars)


SESSIONS = [day.date() for day in US.schedule(2021).index if day.year == 2021][:40]
DAYS = st.lists(
    st.tuples(
        st.floats(5, 500),  # close as traded
        st.sampled_from([0.0, 0.0, 0.0, 0.1, 1.5]),  # dividend
        st.sampled_from([1.0, 1.0, 1.0, 2.0, 4.0, 1.5, 0.1]),  # split
    ),
    min_size=3,
    max_size=len(SESSIONS),
)


@examples(
    max_examples=examples.default.max_examples // 10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(days=DAYS, fetched_on=st.sets(st.integers(0, len(SESSIONS) - 1), max_size=4))
def test_any_history_of_fetches_equals_one_fetch_at_the_end(
    days: list[tuple[float, float, float]], fetched_on: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Splits and dividends anywhere, fetched on any days: adjusted prices are those of a full fetch at the end."""
    traded = [(day, *values) for day, values in zip(SESSIONS, days, strict=False)]
    folder = tmp_path_factory.mktemp("adjustment")
    piecemeal, at_once = Lake(str(folder / "piecemeal")), Lake(str(folder / "at-once"))
    last = len(traded) - 1
    for lake, moments in ((piecemeal, sorted({i for i in fetched_on if i < last} | {last})), (at_once, [last])):
        vendor = Vendor(traded)
        for i in moments:
            vendor.today = traded[i][0]
            now = datetime.combine(vendor.today + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=2)
            event = {"symbols": ["X"], "date": str(vendor.today), "batchNumber": 0, "start": str(traded[0][0])}
            fetch_batch(event, lake, vendor, US, now)
    with piecemeal.session() as left, at_once.session() as right:
        assert assert_same_prices_of_closes(left, right) == len(traded)
        as_traded = left.sql("SELECT close FROM bars_as_traded ORDER BY date").fetchall()
    assert [row[0] for row in as_traded] == pytest.approx([close for close, _, _ in days[: len(traded)]], rel=1e-9)


def assert_same_prices_of_closes(left: DuckDBPyConnection, right: DuckDBPyConnection) -> int:
    query = "SELECT date, close, dividend, split_ratio FROM bars_adjusted ORDER BY date"
    ours, theirs = left.sql(query).fetchall(), right.sql(query).fetchall()
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a[0] == b[0]
        assert a[1:] == pytest.approx(b[1:], rel=1e-9)
    return len(ours)
