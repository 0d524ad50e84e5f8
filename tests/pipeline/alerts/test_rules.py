"""Each shipped rule, against the condition that its title states, computed independently of the rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from stockstream.analytics import connect
from stockstream.pipeline.alerts.evaluation import Evaluation, FeedState
from stockstream.pipeline.alerts.levels import Level
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.rules import find_rules
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps import consolidate, refresh_carried, refresh_indicators
from tests.pipeline.alerts.market import BEFORE, SESSION, Bar, lake_of, live_row, publish_live, store, walk

CLOCK = datetime(2026, 11, 25, 15, tzinfo=UTC).timestamp()


def alerts_of(
    lake: Lake,
    rows: Sequence[dict[str, Any]],
    *,
    feed: FeedState | None = None,
    session: date = SESSION,
    levels: Sequence[Level] = (),
    paths: Sequence[Path] = (),
) -> dict[str, dict[str, Alert]]:
    """Return the alerts by rule and symbol of live bars that a stream has saved."""
    number = len(lake.store.list(f"live/{session}/bars/")) + 1
    publish_live(lake, rows, session, number)
    evaluation = Evaluation(lake, session, find_rules(*paths), levels)
    assert not evaluation.errors
    evaluation.use_lake()
    alerts = evaluation.evaluate(feed or FeedState(CLOCK))
    assert not evaluation.errors
    evaluation.close()
    by_rule: dict[str, dict[str, Alert]] = {}
    for alert in alerts:
        assert alert.symbol not in by_rule.setdefault(alert.rule, {})
        by_rule[alert.rule][alert.symbol] = alert
    return by_rule


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lake_of(tmp_path_factory.mktemp("rules") / "lake", walk("AAA", BEFORE[-3:]))


def test_a_split_is_no_move(empty: Lake) -> None:
    rows = [
        live_row("SPLIT", 10.1, 10.0, split_ratio=10.0),  # it closed at 100 as traded
        live_row("MERGED", 50.5, 50.0, split_ratio=0.1),
        live_row("NEW", 10.0, None),
    ]
    alerts = alerts_of(empty, rows)
    assert "move" not in alerts
    assert "gap" not in alerts


def test_a_split_that_the_lake_knows_is_no_move_in_the_bars_of_its_day(tmp_path: Path) -> None:
    bars = [*walk("TEN", BEFORE[-40:], splits={BEFORE[-5]: 10.0}), *walk("AAA", BEFORE[-40:], seed=1)]
    lake = lake_of(tmp_path / "lake", bars)
    from stockstream.pipeline.alerts.past import run_on

    (move,) = (rule for rule in find_rules() if rule.name == "move")
    result = run_on(lake, move, BEFORE[-5])
    assert (result.alerts, result.bars) == ([], 2)
    ten = {bar[1]: bar for bar in bars if bar[0] == "TEN"}
    assert ten[BEFORE[-6]][5] > 8 * ten[BEFORE[-5]][5]


@pytest.mark.parametrize(
    ("close", "value"), [(105.0, None), (105.01, 5.01), (95.0, None), (94.99, -5.01), (200.0, 100.0)]
)
def test_move_is_beyond_five_percent(close: float, value: float | None, empty: Lake) -> None:
    alerts = alerts_of(empty, [live_row("AAA", close, 100.0)]).get("move", {})
    assert (round(alerts["AAA"].value or 0, 6) if alerts else None) == value
    if alerts:
        alert = alerts["AAA"]
        assert (alert.severity, alert.session, alert.at) == ("warning", str(SESSION), "2026-11-25T15:00:00.000+00:00")
        assert f"{value:+.2f} %" in alert.message


def test_gap_is_that_of_the_open(empty: Lake) -> None:
    rows = [
        live_row(name, 100.0, 100.0, open=price, low=90) for name, price in (("A", 103.1), ("B", 96.9), ("C", 102.9))
    ]
    gaps = alerts_of(empty, rows)["gap"]
    assert {name: round(alert.value or 0, 6) for name, alert in gaps.items()} == {"A": 3.1, "B": -3.1}


def test_levels_are_crossed_by_the_range_since_the_previous_close(empty: Lake) -> None:
    levels = [
        Level("UP", 101.0, "target"),
        Level("UP", 102.0),
        Level("UP", 103.1),
        Level("DOWN", 99.0),
        Level("SAME", 100.0),
        Level("NONE", 105.0),
        Level("SPLIT", 95.0),
    ]
    rows = [
        live_row("UP", 100.5, 100.0, high=103.0, low=99.9),
        live_row("DOWN", 99.5, 100.0, high=100.0, low=99.0),
        live_row("SAME", 100.0, 100.0),
        live_row("NONE", 101.0, 100.0),
        live_row("SPLIT", 10.1, 10.0, split_ratio=10.0),
    ]
    crossed = alerts_of(empty, rows, levels=levels)["level"]
    assert {name: alert.value for name, alert in crossed.items()} == {"UP": 102.0, "DOWN": 99.0}
    assert "101 upwards (target), 102 upwards" in crossed["UP"].message
    assert "99 downwards" in crossed["DOWN"].message


def test_rules_about_the_feed(empty: Lake) -> None:
    rows = [live_row("AAA", 100.0, 100.0, missed=0.0), live_row("BBB", 50.0, 50.0, missed=700.0)]
    quiet = FeedState(CLOCK, CLOCK - 120, 120.0, 2, 700.0, 1, 300.0)
    assert alerts_of(empty, rows, feed=quiet) == {}
    alerts = alerts_of(empty, rows, feed=FeedState(CLOCK, CLOCK - 121, 121.0, 2, 700.0, 1, 301.0))
    assert alerts.keys() == {"feed_silent", "bars_missed"}
    assert (alerts["feed_silent"]["*"].value, alerts["feed_silent"]["*"].severity) == (121.0, "critical")
    assert "14:57:59" in alerts["feed_silent"]["*"].message
    assert alerts["bars_missed"]["*"].message == "700 shares are missing in 1 bars, most in BBB"
    before = alerts_of(empty, [], feed=FeedState(CLOCK, None, 180.0))
    assert "no time" in before["feed_silent"]["*"].message


def test_volume_and_the_extremes_of_52_weeks(tmp_path: Path) -> None:
    bars: list[Bar] = [*walk("AAA", BEFORE[-300:]), *walk("BBB", BEFORE[-251:])]
    lake = lake_of(tmp_path / "lake", bars)
    last = {symbol: [bar for bar in bars if bar[0] == symbol] for symbol in ("AAA", "BBB")}
    highest, lowest = max(bar[3] for bar in last["AAA"][-252:]), min(bar[4] for bar in last["AAA"][-252:])
    volume = sum(bar[6] for bar in last["AAA"][-20:]) / 20
    close = last["AAA"][-1][5]

    def of(symbol: str = "AAA", ratio: float = 1.0, **values: float) -> dict[str, Alert]:
        row = live_row(symbol, close / ratio, close / ratio, split_ratio=ratio, **values)
        found = alerts_of(lake, [row])
        return {rule: by_symbol[symbol] for rule, by_symbol in found.items() if symbol in by_symbol}

    assert of(high=highest, low=lowest, volume=3 * volume).keys() & {"high_52_weeks", "low_52_weeks", "volume"} == set()
    assert of(high=highest + 0.01)["high_52_weeks"].value == highest + 0.01
    assert of(low=lowest - 0.01)["low_52_weeks"].value == lowest - 0.01
    assert of(volume=3.01 * volume)["volume"].value == pytest.approx(3.01)
    # With a split of today, what is carried is converted: ten times as many shares at a tenth of the price.
    split = of(ratio=10.0, high=highest / 10, low=lowest / 10, volume=30 * volume)
    assert split.keys() & {"high_52_weeks", "low_52_weeks", "volume"} == set()
    split = of(ratio=10.0, high=highest / 10 + 0.01, low=lowest / 10 - 0.01, volume=30.1 * volume)
    assert split.keys() >= {"high_52_weeks", "low_52_weeks", "volume"}
    # 251 bars are not 52 weeks.
    assert of("BBB", high=1000.0, low=0.1).keys() & {"high_52_weeks", "low_52_weeks"} == set()


CROSSES = ("oversold", "overbought", "golden_cross", "death_cross")


@pytest.mark.parametrize("ratio", [4.0, pytest.param(1.0, marks=pytest.mark.large)])
def test_crosses_are_the_signals_of_the_batch_if_the_session_ends_so(ratio: float, tmp_path: Path) -> None:
    """The oracle is the view `signals` of a lake whose batch has the live bars as final ones."""
    names = [f"S{number:02d}" for number in range(24)]
    # The walks begin on different days, so that some of their averages cross on the last one.
    bars = [bar for at, name in enumerate(names) for bar in walk(name, BEFORE[-330 + 5 * at :], seed=at)]
    lake = lake_of(tmp_path / "lake", bars, indicators=True)
    closes = {bar[0]: bar[5] for bar in bars}
    rows: list[dict[str, Any]] = []
    final: list[Bar] = []
    for at, name in enumerate(names):
        close = round(closes[name] * (1 + (-0.25, 0.25, 0.03)[at % 3]) / ratio, 6)
        rows.append(live_row(name, close, closes[name] / ratio, split_ratio=ratio))
        final.append((name, SESSION, close, close, close, close, 1000, ratio))
    live = alerts_of(lake, rows)
    store(lake, f"{SESSION}-batch-0", final)
    consolidate.run({}, lake)
    refresh_indicators.run({}, lake)
    with connect(lake.uri) as con:
        query = f"SELECT signal, symbol FROM signals WHERE date = DATE '{SESSION}'"
        expected = {(signal, symbol) for signal, symbol in con.execute(query).fetchall() if signal in CROSSES}
    assert {(rule, symbol) for rule in CROSSES for symbol in live.get(rule, {})} == expected
    assert len({rule for rule, _ in expected}) >= 2
    # The batch has the session's bar now: a recording of it has the same alerts, from the bars before it.
    refresh_carried.run({}, lake)
    again = alerts_of(lake, rows)
    assert {(rule, symbol) for rule in CROSSES for symbol in again.get(rule, {})} == expected
