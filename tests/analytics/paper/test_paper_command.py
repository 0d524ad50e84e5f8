"""`stockstream paper`, the step in `stockstream run`, the orders as alerts, and the value at live bars."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from stockstream.analytics.paper import step_accounts
from stockstream.analytics.paper.overview import NOTICE
from stockstream.pipeline.alerts.memory import AlertMemory
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake, live_key
from stockstream.pipeline.steps import send_alerts
from tests.analytics.paper.published import DAYS, fetch, publish, rows, strategy_file
from tests.analytics.test_cli import run_cli
from tests.pipeline.alerts.receiver import SECRET, Receiver

FAILING = '''
from stockstream.analytics.backtest import Strategy

class Failing(Strategy):
    """Fails on its third session."""

    count = 0

    def on_bar_end(self, date, portfolio):
        self.count += 1
        if self.count == 3:
            raise ValueError("no luck")

    def on_data(self, date, symbol, data, portfolio):
        return None
'''


def test_start_step_status_stop(lake: Lake, tmp_path: Path) -> None:
    at = ("--lake", lake.uri)
    ran = run_cli("paper", "start", "trend", "--strategy", "BuyAndHold", "--start", str(DAYS[27]), *at, "--json")
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)["accounts"]["trend"]
    assert (len(result["sessions"]), result["session"], result["orders"]) == (3, str(DAYS[29]), [])
    ran = run_cli("paper", "start", "one", "--strategy", f"{strategy_file(tmp_path)}", "--param", "size=4", *at)
    assert ran.code == 0, ran.err
    assert f"one: 1 new session, the last is {DAYS[29]}: equity 100,000.00" in ran.out
    listed = json.loads(run_cli("paper", "status", *at, "--json").out)
    assert [(one["name"], one["phase"], one["sessions"]) for one in listed] == [
        ("one", "active", 1),
        ("trend", "active", 3),
    ]
    text = run_cli("paper", "status", "trend", *at).out
    assert f"sessions   3, {DAYS[27]} to {DAYS[29]} (generation 1)" in text
    assert f"equity     {result['equity']:,.2f}" in text
    assert "next       no orders for the next session" in text
    assert NOTICE in text
    publish(lake, tmp_path, rows(DAYS[30], {("AAA", DAYS[28]): 30.0}), DAYS[30])
    ran = run_cli("paper", "step", *at)
    assert ran.code == 0
    assert "trend: 1 new session" in ran.out
    text = run_cli("paper", "status", "trend", *at).out
    assert f"{DAYS[28]}: other bars of AAA" in text
    assert "the account keeps what it did" in text
    ran = run_cli("paper", "stop", "one", *at, "--json")
    assert json.loads(ran.out)["session"] == str(DAYS[30])
    assert "one" not in json.loads(run_cli("paper", "step", *at, "--json").out)["accounts"]
    ran = run_cli("paper", "status", "trnd", *at)
    assert (ran.code, ran.errors) == (
        2,
        [f"error: {lake.uri} has no paper account trnd: there are one, trend; did you mean trend?"],
    )


def test_an_account_that_fails_stops_no_other_and_is_named(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "failing.py"
    path.write_text(FAILING)
    at = ("--lake", lake.uri)
    for name, strategy in (("bad", str(path)), ("good", "BuyAndHold")):
        assert run_cli("paper", "start", name, "--strategy", strategy, "--start", str(DAYS[28]), *at).code == 0
    publish(lake, tmp_path, rows(DAYS[31]), DAYS[31])
    ran = run_cli("paper", "step", *at, "--json")
    assert ran.code == 3
    result = json.loads(ran.out)
    assert result["failed"]["bad"].startswith(f"Failing.on_bar_end failed on {DAYS[30]}: ValueError: no luck")
    assert len(result["accounts"]["good"]["sessions"]) == 2
    ran = run_cli("paper", "status", *at)
    assert ran.code == 3
    assert "bad: Failing.on_bar_end failed" in ran.out
    assert run_cli("paper", "step", "bad", *at).code == 1


@pytest.mark.slow
def test_a_run_steps_the_accounts_and_is_partial_if_one_fails(lake: Lake, tmp_path: Path) -> None:
    path, csv = tmp_path / "failing.py", tmp_path / "bars.csv"
    path.write_text(FAILING)
    csv.write_text(rows(DAYS[31]))
    at = ("--lake", lake.uri)
    for name, strategy in (("bad", str(path)), ("good", "BuyAndHold")):
        assert run_cli("paper", "start", name, "--strategy", strategy, "--start", str(DAYS[28]), *at).code == 0
    asked = ("run", "--source", f"files:{csv}", "--prices", "as-traded", "--date", str(DAYS[31]), *at)
    result = json.loads(run_cli(*asked, "--json").out)
    assert (result["status"], result["refused"]) == ("partial", None)
    assert result["not_stepped"].startswith("bad: Failing.on_bar_end failed on")
    assert result["paper"]["accounts"]["good"]["session"] == str(DAYS[31])


@pytest.mark.slow
def test_orders_for_the_next_session_are_sent_once(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message per account and symbol, also if both steps run again; without a channel nothing is recorded."""
    now = f"{DAYS[29]}T23:00:00+00:00"
    assert (
        run_cli("paper", "start", "a", "--strategy", "BuyAndHold", "--symbols", "AAA,BBB", "--lake", lake.uri).code == 0
    )
    assert not lake.store.list("live/")
    with Receiver() as receiver:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", receiver.url)
        monkeypatch.setenv("ALERT_WEBHOOK_SECRET", SECRET)
        settings.cache_clear()
        assert (
            run_cli("paper", "start", "b", "--strategy", "BuyAndHold", "--lake", lake.uri, "--symbols", "AAA").code == 0
        )
        fetch(lake, tmp_path, rows(DAYS[29]), DAYS[29])
        lake.store.delete([key for key in lake.store.list("paper/a/") if "account" not in key])
        assert step_accounts.run({"now": now}, lake)["orders"] == 2
        assert step_accounts.run({"now": now}, lake)["orders"] == 0
        for _ in range(2):
            send_alerts.run({"now": now}, lake)
        memory = AlertMemory(lake, str(DAYS[29]))
        memory.load()
        ours = [one.alert for one in memory.alerts if one.alert.rule == "paper a"]
        assert [(one.symbol, one.session) for one in ours] == [("AAA", str(DAYS[29])), ("BBB", str(DAYS[29]))]
        assert ours[0].message.startswith(f"paper account a, after {DAYS[29]}: buy ")
        assert not [one for one in memory.undelivered if one.alert.rule == "paper a" and "webhook" in one.waits_for]
        sent = [one for post in receiver.posts for one in post.document["alerts"] if one["rule"] == "paper a"]
        assert sorted(one["symbol"] for one in sent) == ["AAA", "BBB"]


def test_the_value_at_live_bars_is_shown_and_changes_no_state(lake: Lake) -> None:
    at = ("--lake", lake.uri)
    assert run_cli("paper", "start", "a", "--strategy", "BuyAndHold", "--start", str(DAYS[27]), *at).code == 0
    before = json.loads(run_cli("paper", "status", "a", *at, "--json").out)
    assert before["summary"]["live"] is None
    session = DAYS[29] + timedelta(days=1)
    held = {one["symbol"]: one for one in before["positions"]}
    store_live(lake, session, {"AAA": (60.0, 1.0), "BBB": (11.0, 2.0)})
    after = json.loads(run_cli("paper", "status", "a", *at, "--json").out)
    live = after["summary"].pop("live")
    expected = before["summary"]["cash"] + held["AAA"]["quantity"] * 60 + held["BBB"]["quantity"] * 2 * 11
    assert live["equity"] == pytest.approx(expected + held["CCC"]["value"], rel=1e-12)
    assert (live["session"], live["symbols"], live["of"]) == (str(session), 2, 3)
    assert after["summary"] == {key: value for key, value in before["summary"].items() if key != "live"}
    assert f"live       {live['equity']:,.2f} at the live bars of {session}" in run_cli("paper", "status", "a", *at).out
    store_live(lake, DAYS[29], {"AAA": (1.0, 1.0)}, remove=session)
    assert json.loads(run_cli("paper", "status", "a", *at, "--json").out)["summary"]["live"] is None


def store_live(lake: Lake, session: date, closes: dict[str, tuple[float, float]], remove: date | None = None) -> None:
    """Store a state of live bars: close and split ratio per symbol."""
    if remove:
        lake.store.delete(list(lake.store.list(live_key(str(remove), ""))))
    bars = [
        {"symbol": symbol, "open": close, "high": close, "low": close, "close": close, "volume": 1.0,
         "previous_close": close, "split_ratio": ratio, "at": 1773000000000, "late": 0, "events": 1}
        for symbol, (close, ratio) in closes.items()
    ]  # fmt: skip
    state = {"session": str(session), "source": "test", "saved_at": "2026-04-01T15:00:00", "bars": bars}
    lake.store.put(live_key(str(session), "bars/000001.json"), json.dumps(state).encode(), replaces=None)


def test_the_step_needs_only_the_libraries_of_its_layers(lake: Lake) -> None:
    """On Lambda there are neither polars and pandas nor what the command line, the reports and the sources import."""
    assert (
        run_cli("paper", "start", "a", "--strategy", "BuyAndHold", "--start", str(DAYS[28]), "--lake", lake.uri).code
        == 0
    )
    lake.store.delete([f"paper/a/{DAYS[29]}.json", "state/paper/a.json"])
    absent = "polars pandas jinja2 typer rich exchange_calendars yfinance requests bs4 starlette scipy optuna skfolio"
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent.split()!r}))\n"
        "from stockstream.pipeline.lake import Lake\n"
        "from stockstream.pipeline.steps import load_step\n"
        f"print(load_step('step_accounts')({{}}, Lake({lake.uri!r}))['accounts']['a']['sessions'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"['{DAYS[29]}']"
