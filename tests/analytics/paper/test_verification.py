"""State on disk is verified before it is believed, and what later generations say is shown, not rewritten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stockstream.analytics.backtest.runs import read_run
from stockstream.analytics.paper.ledger import Ledger
from stockstream.analytics.paper.overview import detail, summaries
from stockstream.analytics.paper.stepping import start, step
from stockstream.pipeline.lake import MARKER, PAPER, Lake
from stockstream.pipeline.sealing import seal, unseal
from tests.analytics.paper.published import DAYS, DIVIDEND, SPLIT, publish, rows, strategy_file
from tests.analytics.paper.test_stepping import started
from tests.analytics.test_cli import run_cli


def objects(lake: Lake) -> dict[str, bytes]:
    """Return the objects of all accounts."""
    return {key: lake.store.get(key).data for key in lake.store.list(PAPER)}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def stepped_objects(first_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The objects of an account with five sessions, in the lake of one generation."""
    import shutil

    folder = tmp_path_factory.mktemp("stepped") / "lake"
    shutil.copytree(first_lake, folder)
    lake = Lake(str(folder))
    assert step(lake, started(lake, "a", "BuyAndHold", DAYS[25])).error is None
    return objects(lake)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Return a function that changes a document, and seals it again."""

    def edit(data: bytes) -> bytes:
        values = json.loads(unseal(data) or b"")
        change(values)
        return seal(json.dumps(values).encode())

    return edit


@pytest.mark.parametrize(
    ("name", "edit", "words"),
    [
        (DAYS[29], lambda data: data[:-40], "is damaged (its text does not have the checksum that it begins with)"),
        (DAYS[29], lambda data: data.replace(b'"cash":', b'"cash":1'), "is damaged (its text does not have"),
        (DAYS[29], lambda data: unseal(data), "is damaged (its text does not have"),
        (DAYS[29], edited(lambda one: one.update(format=2)), "a newer Stock Stream (format 2; this one reads up to 1)"),
        (DAYS[29], edited(lambda one: one.update(session=str(DAYS[28]))), "it is that of the session"),
        (DAYS[29], edited(lambda one: one.pop("equity")), "is damaged (equity: Field required)"),
        (DAYS[29], edited(lambda one: one["account"].update(name="b")), "it is that of another account, b"),
        (DAYS[27], edited(lambda one: one.update(cash=1.0)), f"{DAYS[28]}.json goes on from another state"),
        (DAYS[29], edited(lambda one: one.update(changes={"length": 3, "items": {}})), "changes are those of another"),
        (DAYS[27], lambda data: None, f"{DAYS[27]}.json is gone, the session before {DAYS[28]}"),
        (DAYS[25], lambda data: None, f"{DAYS[25]}.json is gone, the session before {DAYS[26]}"),
        ("account", lambda data: None, "account.json is gone"),
        ("account", edited(lambda one: one.update(name="b")), "account.json is that of the account b"),
        ("account", edited(lambda one: one.update(market="ASX")), "is of the market ASX, and the lake is of the "),
    ],
)  # fmt: skip
def test_what_is_not_as_it_was_stored_is_named(
    lake: Lake, stepped_objects: dict[str, bytes], name: object, edit: Callable[[bytes], bytes | None], words: str
) -> None:
    for key, data in stepped_objects.items():
        new = edit(data) if key == f"paper/a/{name}.json" else data
        if new is not None:
            lake.store.put(key, new, replaces=None)
    before = objects(lake)
    outcome = step(lake, Ledger(lake, "a"))
    assert outcome.error is not None
    assert words in outcome.error
    assert outcome.error.startswith(f"{lake.uri}/paper/a/")
    assert "\n" not in outcome.error
    [shown] = summaries(lake)
    assert (shown.name, shown.phase, shown.error) == ("a", "failed", outcome.error)
    assert objects(lake) == before


def test_an_object_that_is_none_of_the_account_is_named(lake: Lake, stepped_objects: dict[str, bytes]) -> None:
    for key, data in stepped_objects.items():
        lake.store.put(key, data, replaces=None)
    lake.store.put("paper/a/2026-13-01.json", b"{}", replaces=None)
    assert "2026-13-01.json is no object of a paper account" in (step(lake, Ledger(lake, "a")).error or "")


def test_states_that_are_deleted_from_a_session_on_are_computed_again(
    lake: Lake, stepped_objects: dict[str, bytes]
) -> None:
    for key, data in stepped_objects.items():
        if key < f"paper/a/{DAYS[28]}" or "account" in key:
            lake.store.put(key, data, replaces=None)
    outcome = step(lake, Ledger(lake, "a"))
    assert (outcome.error, outcome.stepped) == (None, (DAYS[28], DAYS[29]))
    last = json.loads(stepped_objects[f"paper/a/{DAYS[29]}.json"])
    assert outcome.state is not None
    assert (outcome.state.equity, outcome.state.inputs_sha256) == (last["equity"], last["inputs_sha256"])


def test_a_strategy_that_has_changed_or_is_gone_takes_no_step(lake: Lake, tmp_path: Path) -> None:
    path = strategy_file(tmp_path)
    ledger = start(lake, "mine", read_run(None, str(path), [], {"start": DAYS[28]}), [])
    assert step(lake, ledger).error is None
    text = path.read_text()
    path.write_text(text.replace("% 7", "% 6"))
    publish(lake, tmp_path, rows(DAYS[30]), DAYS[30])
    assert (step(lake, ledger).error or "").startswith(f"{path} has changed since the start of the account (SHA-256 ")
    path.unlink()
    assert (step(lake, ledger).error or "").startswith(f"{path} is gone")
    assert detail(lake, ledger).summary.phase == "failed"
    path.write_text(text)
    outcome = step(lake, ledger)
    assert (outcome.error, outcome.stepped) == (None, (DAYS[30],))
    assert detail(lake, ledger).summary.phase == "active"


def test_a_later_correction_is_shown_and_nothing_is_rewritten(lake: Lake, tmp_path: Path) -> None:
    """A close of two sessions ago is corrected: sessions, symbol and equity are shown, and no state changes."""
    ledger = started(lake, "a", "BuyAndHold", DAYS[25])
    step(lake, ledger)
    before = objects(lake)
    corrected = {("BBB", DAYS[27]): 55.0}
    publish(lake, tmp_path, rows(DAYS[29], corrected), DAYS[29])
    assert step(lake, ledger).stepped == ()
    shown = detail(lake, ledger).comparison
    assert shown is not None
    assert [(one["session"], one["symbols"]) for one in shown.differences] == [(str(DAYS[27]), ["BBB"])]
    assert (shown.is_equal, shown.generation, shown.first_other_equity) == (False, 2, DAYS[27])
    assert shown.differences[0]["account_equity"] != shown.differences[0]["backtest_equity"]
    assert shown.account_equity == shown.backtest_equity, "the next close is the same"
    assert objects(lake) == before

    publish(lake, tmp_path, rows(DAYS[30], corrected), DAYS[30])
    assert step(lake, ledger).stepped == (DAYS[30],)
    assert {key: objects(lake)[key] for key in before} == before
    again = detail(lake, ledger)
    assert again.comparison is not None
    assert again.comparison.different_sessions == 1
    assert again.backtest[2] != again.equity[2]
    assert again.backtest[:2] == again.equity[:2]


def test_a_split_that_is_known_late(lake: Lake, tmp_path: Path) -> None:
    """The account has seen a fall by half, keeps its shares, and says that the backtest would have twice as many.

    One that is known in time is credited, and rescales nothing that the account has seen.
    """
    late, timely = (started(lake, name, "BuyAndHold", DAYS[29], symbols=("BBB",)) for name in ("late", "timely"))
    late_lake = Lake(lake.uri)
    assert step(late_lake, late).error is None
    publish(lake, tmp_path, rows(SPLIT, without_split=True), SPLIT)
    assert step(lake, late).error is None
    publish(lake, tmp_path, rows(DAYS[34]), DAYS[34])
    for ledger in (late, timely):
        assert step(lake, ledger).error is None
    shown, other = detail(lake, late), detail(lake, timely)
    assert shown.comparison is not None
    assert [one["session"] for one in shown.comparison.differences] == [str(SPLIT)]
    assert shown.positions[0].quantity * 2 == other.positions[0].quantity
    assert shown.comparison.backtest_equity == other.summary.equity
    assert other.comparison is None or other.comparison.is_equal


def test_a_dividend_that_is_known_in_time_is_credited_and_a_late_one_is_a_difference(
    lake: Lake, tmp_path: Path
) -> None:
    ledger = started(lake, "a", "BuyAndHold", DAYS[29], symbols=("AAA",))
    for day in (DAYS[29], DAYS[34]):
        publish(lake, tmp_path, rows(day), day)
        step(lake, ledger)
    without = rows(DIVIDEND).replace(",0.5,", ",0.0,")
    publish(lake, tmp_path, without, DIVIDEND)
    step(lake, ledger)
    publish(lake, tmp_path, rows(DAYS[36]), DAYS[36])
    step(lake, ledger)
    shown = detail(lake, ledger)
    assert shown.comparison is not None
    assert [(one["session"], one["symbols"]) for one in shown.comparison.differences] == [(str(DIVIDEND), ["AAA"])]
    shares = shown.positions[0].quantity
    assert shown.comparison.backtest_equity is not None
    assert shown.comparison.backtest_equity - shown.comparison.account_equity == pytest.approx(0.5 * shares)


def test_a_strategy_that_decides_something_else_each_time_is_named(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "dice.py"
    path.write_text(
        "import random\nfrom stockstream.analytics.backtest import Action, Strategy\n\n"
        "class Dice(Strategy):\n    def on_data(self, date, symbol, data, portfolio):\n"
        "        return Action.buy(random.random())\n"
    )
    ledger = start(lake, "dice", read_run(None, str(path), [], {"start": DAYS[28]}), [])
    step(lake, ledger)
    publish(lake, tmp_path, rows(DAYS[30]), DAYS[30])
    step(lake, ledger)
    shown = detail(lake, ledger).comparison
    assert shown is not None
    assert (shown.is_equal, shown.different_sessions) == (False, 0)


def test_a_lake_without_its_market_is_named(lake: Lake, stepped_objects: dict[str, bytes]) -> None:
    for key, data in stepped_objects.items():
        lake.store.put(key, data, replaces=None)
    lake.store.delete([MARKER])
    assert "and the lake is of no market" in (step(lake, Ledger(lake, "a")).error or "")


def test_a_generation_that_lacks_a_session_of_the_account(lake: Lake, tmp_path: Path) -> None:
    """After a rollback the account stays where it is, and the session that is gone is named."""
    ledger = started(lake, "a", "BuyAndHold", DAYS[28])
    publish(lake, tmp_path, rows(DAYS[30]), DAYS[30])
    assert len(step(lake, ledger).stepped) == 3
    assert run_cli("rollback", "1", "--yes", "--lake", lake.uri).code == 0
    outcome = step(lake, ledger)
    assert (outcome.error, outcome.stepped) == (None, ())
    shown = detail(lake, ledger).comparison
    assert shown is not None
    assert [(one["session"], one["backtest_equity"]) for one in shown.differences] == [(str(DAYS[30]), None)]
    assert (shown.generation, shown.first_other_equity) == (3, DAYS[30])
