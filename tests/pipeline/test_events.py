"""Events of the Lambda functions: what their types do not allow is refused in one line, and nothing is stored."""

from __future__ import annotations

from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import ListingsRefused, UsageError
from stockstream.pipeline.handlers import fetch_batch, steps, summarise, update_symbols, vacuum
from stockstream.pipeline.lake import Lake, raw_key, run_key
from stockstream.pipeline.listings import Company
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import update_symbols as step
from stockstream.terraform.packages import handler as handler_of
from stockstream.terraform.packages import spec
from tests.pipeline.test_handlers import Context

DAY = date(2026, 8, 7)
WRONG: dict[str, dict[str, Any]] = {
    "batchNumber": {
        "text": "../../../outside",
        "negative": -1,
        "a number as text": "3",
        "yes": True,
        "a fraction": 0.5,
        "far too large": 10**9,
    },
    "run": {"up": "../../pwn", "dots": "..", "backslash": "a\\b", "NUL": "a\0b", "empty": "", "long": "x" * 81, "5": 5},
    "date": {"no day": "2026-02-30", "compact": "20260807", "path": "../2026-08-07", "number": 20260807, "time": "now"},
    "start": {"text": "yesterday"},
    "end": {"before the start": "2026-08-01"},
    "now": {"no zone": "2026-08-07T06:00:00", "text": "now"},
    "symbols": {
        "text": "BHP",
        "none": [],
        "empty": [""],
        "control": ["BHP\x1b[31m"],
        "long": ["B" * 33],
        "number": [1],
        "line": ["BHP\nCBA"],
    },
    "batch": {"unknown": 1},
}
CASES = [pytest.param(key, value, id=f"{key}: {name}") for key, of in WRONG.items() for name, value in of.items()]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("STOCKSTREAM_LAKE", str(tmp_path / "lake"))
    settings.cache_clear()
    lake = Lake(str(tmp_path / "lake"))
    lake.prepare(MARKETS["ASX"], DAY)
    return lake


def refusal(handler: Any, event: Any, lake: Lake) -> str:
    """Return why a handler refuses an event, after checking that it is a UsageError of one line and stores nothing."""
    everything = Path(lake.uri).parent
    before = {path: path.stat().st_mtime_ns for path in everything.rglob("*") if path.is_file()}
    with pytest.raises(Exception, match=r"^[ -~]{10,500}$") as caught:
        handler(event, Context([100]))
    assert type(caught.value).__name__ == "UsageError"
    assert before == {path: path.stat().st_mtime_ns for path in everything.rglob("*") if path.is_file()}
    return str(caught.value)


@pytest.mark.parametrize(("key", "value"), CASES)
def test_a_batch_of_a_wrong_event_is_not_fetched(key: str, value: Any, lake: Lake) -> None:
    event = {"date": "2026-08-07", "start": "2026-08-03", "batchNumber": 0, "symbols": ["AAA"], "run": "one"}
    message = refusal(fetch_batch.handler, {**event, key: value}, lake)
    assert key in message or "the end 2026-08-01 is before the start 2026-08-03" in message


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"batchSize": -5}, "the event's input.batchSize cannot be -5: input should be greater than or equal to 1"),
        ({"batch_size": 0}, "the event's input.batch_size cannot be 0: input should be greater than or equal to 1"),
        ({"batch_size": "5"}, "the event's input.batch_size cannot be '5': input should be a valid integer"),
        ({"accept_smaller": "no"}, "the event's input.accept_smaller cannot be 'no': input should be a valid boolean"),
        ({"date": "2026-13-01"}, "the event's input.date cannot be '2026-13-01': write a day such as 2026-11-20"),
        ({"symbols": []}, "the event's input.symbols cannot be []: list should have at least 1 item"),
        (
            {"symbols": ["A", "B\x07"]},
            r"the event's input.symbols.1 cannot be 'B\x07': a symbol is 1 to 32 printable characters",
        ),
        ({"start": "2026-02-01", "end": "2026-01-01"}, "the end 2026-01-01 is before the start 2026-02-01"),
        ({"Symbols": ["A"]}, "the event has no key input.Symbols: there are accept_smaller, batch_size, date, end"),
        ([1], "the event's input cannot be [1]: input should be a valid dictionary"),
    ],
)
def test_an_execution_of_a_wrong_input_does_not_begin(options: Any, reason: str, lake: Lake) -> None:
    assert reason in refusal(update_symbols.handler, {"run": "one", "input": options}, lake)


@pytest.mark.parametrize("function", spec()["functions"])
@pytest.mark.parametrize("event", [[], "text", None, {"no_such_key": 1}, {"run": "../up"}, {"now": "never"}])
def test_no_function_takes_an_event_of_another_shape(function: str, event: Any, lake: Lake) -> None:
    module, name = handler_of(function).rsplit(".", 1)
    message = refusal(getattr(import_module(module), name), event, lake)
    assert "cannot be" in message or "no_such_key" in message


def test_the_parts_of_a_refresh_are_a_list(lake: Lake) -> None:
    assert "the event's only cannot be 'bars'" in refusal(steps.refresh, {"only": "bars"}, lake)


def test_a_symbol_is_fetched_in_the_form_in_which_it_is_stored(lake: Lake) -> None:
    event = {"run": "one", "now": "2026-08-07T20:00:00Z", "input": {"symbols": [" bhp ", "BHP", "BC pra"]}}
    plan = update_symbols.handler(event, Context([100]))
    assert plan["symbolBatches"] == [{"symbols": ["BHP", "BC pra"], "batchNumber": 0}]


@pytest.mark.parametrize("day", ["../../pwn", "2026-02-30", 5, None, "2026-08-06"])
def test_the_summary_of_a_run_that_could_not_begin_has_a_day_and_leads_nowhere_else(day: Any, lake: Lake) -> None:
    """The state of such a run is the execution's input, as someone wrote it."""
    state = {"date": day, "symbolBatches": "x", "run": "../up", "failure": {"symbols": {"Error": "UsageError"}}}
    event = {"run": "one", "now": "2026-08-07T20:00:00Z", "state": state}
    result = summarise.handler(event, Context([100]))
    expected = "2026-08-06" if day == "2026-08-06" else "2026-08-08"  # in Sydney
    assert (result["status"], result["key"]) == ("failed", f"state/runs/{expected}/one/summary.json")
    assert lake.store.get(result["key"]) is not None


def test_a_state_with_a_day_that_is_none_is_refused(lake: Lake) -> None:
    event = {"run": "one", "state": {"date": "../../pwn", "symbolBatches": [], "batches": []}}
    assert "the event's date cannot be '../../pwn'" in refusal(summarise.handler, event, lake)


def test_the_notes_of_a_run_of_a_past_day_say_so(lake: Lake) -> None:
    state: dict[str, Any] = {"date": "2026-08-06", "symbolBatches": [], "batches": []}
    for now, notes in (("2026-08-05T20:00:00Z", 0), ("2026-08-07T20:00:00Z", 1)):
        result = summarise.handler({"run": "one", "now": now, "state": state}, Context([100]))
        assert result["message"].count("the day of this run is 2026-08-06: later bars are not fetched") == notes


def test_a_lake_without_generations_has_nothing_to_delete(lake: Lake) -> None:
    result = vacuum.handler({"retention_hours": 1}, Context([100]))
    assert (result["dry_run"], result["manifests"], result["generation"]) == (False, [], None)
    assert "retention_hours cannot be 0.5" in refusal(vacuum.handler, {"retention_hours": 0.5}, lake)


@pytest.mark.parametrize("batch", [-1, "../../outside", 1.5, True])
def test_no_key_is_made_of_a_batch_that_is_none(batch: Any) -> None:
    with pytest.raises(UsageError, match="cannot be a part of a key"):
        raw_key(DAY, batch)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "a\\b", "a\0b", "a\nb"])
def test_no_key_of_a_run_leads_elsewhere(name: str) -> None:
    for parts in ((name, "one", "summary"), ("2026-08-07", name, "summary"), ("2026-08-07", "one", name)):
        with pytest.raises(UsageError, match="cannot be a part of a key"):
            run_key(*parts)


@pytest.mark.parametrize("symbol", ["", "B" * 33, "BHP\x1b[2J", "\u202eBHP"])
def test_a_list_with_a_name_that_is_no_symbol_is_refused(symbol: str, lake: Lake) -> None:
    class Listings:
        name = "any"

        def companies(self) -> list[Company]:
            return [Company("AAA"), Company(symbol)]

    with pytest.raises(ListingsRefused, match="which is no symbol: it"):
        step.run({"date": str(DAY)}, lake, Listings(), MARKETS["ASX"])
    assert lake.store.list("symbols/") == {}
    with pytest.raises(UsageError, match="no symbol"):
        step.run({"date": str(DAY), "symbols": [symbol]}, lake, None, MARKETS["ASX"])
