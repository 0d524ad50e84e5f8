"""Rule files of one's own: what is wrong is named with file and line, and stops no other rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stockstream.pipeline.alerts.evaluation import Evaluation, FeedState
from stockstream.pipeline.alerts.levels import parse_levels
from stockstream.pipeline.alerts.rules import find_rules
from stockstream.pipeline.lake import Lake
from stockstream.sql.errors import StockStreamError
from tests.analytics.test_cli import run_cli
from tests.pipeline.alerts.market import BEFORE, SESSION, lake_of, live_row, publish_live, walk

HEADER = "/* ---\nname: {name}\ntitle: Mine.\nseverity: info\ncooldown: 15m\nchannels: log\n--- */\n"
WRONG: dict[str, tuple[str, int, str]] = {
    "no_sql": (HEADER + "SELECT symbol,\n    close AS value\n    'x' AS message FROM live", 10, "syntax error"),
    "no_column": (HEADER + "SELECT symbol,\n    clsoe AS value, 'x' AS message\nFROM live", 9, "clsoe"),
    "no_table": (HEADER + "SELECT symbol, close AS value, 'x' AS message\nFROM lvie", 9, "lvie"),
    "no_message": (HEADER + "\nSELECT symbol, close AS value FROM live", 9, "does not return message"),
    "two_selects": (HEADER + "SELECT 1;\nSELECT 2", 8, "one SELECT"),
    "writes": (HEADER + "COPY (SELECT 1) TO '/tmp/x.csv'", 8, "one SELECT"),
    "empty": (HEADER, 8, "one SELECT"),
    "no_yaml": ("/* ---\nname: no_yaml\ntitle: [\n--- */\nSELECT 1", 4, "not YAML"),
    "no_header": ("SELECT symbol, close AS value, 'x' AS message FROM live", 1, "header"),
    "no_severity": ("/* ---\nname: no_severity\ntitle: Mine.\n--- */\nSELECT 1", 1, "lacks severity"),
    "severity": ("/* ---\nname: severity\ntitle: Mine.\nseverity: fatal\n--- */\nSELECT 1", 4, "severity"),
    "cooldown": (HEADER.replace("15m", "soon") + "SELECT 1", 5, "30m"),
    "misspelt": (HEADER.replace("channels", "chanels") + "SELECT 1", 6, "did you mean channels"),
    "other": (HEADER.replace("{name}", "another") + "SELECT 1", 2, "another.sql"),
    "cast": (HEADER + "SELECT symbol, CAST(symbol AS INTEGER) AS value,\n    'x' AS message FROM live", 8, "convert"),
    "division": (HEADER + "SELECT symbol, 1 / (close - close) AS value,\n    'x' AS message FROM live", 8, "division"),
    "null_symbol": (HEADER + "SELECT NULL::VARCHAR AS symbol, 1 AS value, 'x' AS message FROM live", 8, "symbol None"),
    "text_value": (HEADER + "SELECT symbol, 'much' AS value, 'x' AS message FROM live", 8, "a value is a number"),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = lake_of(tmp_path_factory.mktemp("files") / "lake", walk("AAA", BEFORE[-30:]))
    publish_live(lake, [live_row("AAA", 120.0, 100.0)])
    return lake


def test_wrong_files_are_named_with_their_lines_and_stop_no_other_rule(lake: Lake, tmp_path: Path) -> None:
    for name, (text, _, _) in WRONG.items():
        (tmp_path / f"{name}.sql").write_text(text.replace("{name}", name))
    mine = HEADER.format(name="mine") + "SELECT symbol, close AS value, 'mine' AS message FROM live"
    (tmp_path / "mine.sql").write_text(mine)
    evaluation = Evaluation(lake, SESSION, find_rules(tmp_path))
    evaluation.use_lake()
    for _ in range(2):
        alerts = evaluation.evaluate(FeedState(1_795_617_000.0))
        assert {(alert.rule, alert.symbol) for alert in alerts} >= {("move", "AAA"), ("mine", "AAA")}
        assert {alert.rule for alert in alerts}.isdisjoint(WRONG)
    assert evaluation.errors.keys() == WRONG.keys()
    for name, (_, line, reason) in WRONG.items():
        message = evaluation.errors[name]
        assert message.startswith(f"{tmp_path / name}.sql, line {line}: "), message
        assert reason in message
        assert "\n" not in message


def test_a_rule_of_ones_own_takes_the_place_of_a_shipped_one(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "move.sql").write_text(
        HEADER.format(name="move") + "SELECT symbol, 1 AS value, 'moved' AS message FROM live WHERE change_percent > 90"
    )
    evaluation = Evaluation(lake, SESSION, find_rules(tmp_path / "move.sql"))
    evaluation.use_lake()
    assert "move" not in {alert.rule for alert in evaluation.evaluate(FeedState(1_795_617_000.0))}


def test_an_old_lake_says_that_it_lacks_what_live_indicators_need(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", walk("AAA", BEFORE[-30:]), carried=False)
    evaluation = Evaluation(lake, SESSION, find_rules())
    assert evaluation.waiting.keys() == {
        *("oversold", "overbought", "golden_cross", "death_cross", "high_52_weeks", "low_52_weeks", "volume")
    }
    assert "stockstream run" in evaluation.waiting["volume"]
    assert not evaluation.errors


def test_wrong_lines_of_levels_are_named_and_the_others_used() -> None:
    text = "symbol,level,note\nBHP,41.5,target\nCBA,abc\n\n,5\nBHP,-1\nBPH,40\nBHP,nan\nBHP,1,2,3\nBHP\nBHP,42"
    levels = parse_levels(text.encode(), "levels.csv", {"BHP", "CBA"})
    assert [(one.symbol, one.level, one.note) for one in levels.levels] == [("BHP", 41.5, "target"), ("BHP", 42.0, "")]
    lines = [problem.split(": ")[0] for problem in levels.problems]
    assert lines == [f"levels.csv, line {line}" for line in (3, 5, 6, 7, 8, 9, 10)]
    assert "did you mean BHP" in levels.problems[3]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"symbol,price\nBHP,1", "line 1: no column is called 'price'"),
        (b"symbol\nBHP", "line 1: it must name the columns"),
        (b"", "line 1"),
        (b"symbol,level\nBHP,1\n\xff,2", "line 3: it is not UTF-8"),
    ],
)
def test_a_file_of_levels_that_cannot_be_read_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(StockStreamError, match=message):
        parse_levels(data, "levels.csv")


def test_list_has_the_rules_with_what_they_need(tmp_path: Path) -> None:
    mine = HEADER.format(name="mine") + "SELECT symbol, 1 AS value, 'm' AS message FROM live"
    (tmp_path / "mine.sql").write_text(mine)
    rules = json.loads(run_cli("alerts", "list", "--json", "--sql-path", str(tmp_path)).out)
    listed = {rule["name"]: rule for rule in rules}
    assert listed["move"]["severity"] == "warning"
    assert listed["feed_silent"]["cooldown"] == 1800
    assert listed["level"]["needs"] == ["levels", "live"]
    assert (listed["mine"]["cooldown"], listed["mine"]["channels"], listed["mine"]["needs"]) == (900, ["log"], ["live"])
    text = run_cli("alerts", "list").out
    assert "15m" not in text
    assert "30m" in text
    (tmp_path / "wrong.sql").write_text("SELECT 1")
    wrong = run_cli("alerts", "list", "--sql-path", str(tmp_path), "--json")
    assert wrong.code == 3
    assert "wrong.sql, line 1" in wrong.out


def test_a_rule_on_a_past_day(lake: Lake, tmp_path: Path) -> None:
    day = BEFORE[-2]
    (tmp_path / "mine.sql").write_text(
        HEADER.format(name="mine") + "SELECT symbol, previous_close AS value, 'mine' AS message FROM live"
    )
    ran = run_cli("alerts", "test", "mine", "--at", str(day), "--lake", lake.uri, "--sql-path", str(tmp_path), "--json")
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)
    bars = {bar[1]: bar for bar in walk("AAA", BEFORE[-30:])}
    assert [(alert["symbol"], alert["value"]) for alert in result["alerts"]] == [("AAA", bars[BEFORE[-3]][5])]
    assert not lake.store.list(f"live/{day}/")
    shown = run_cli("alerts", "test", "move", "--at", str(day), "--lake", lake.uri)
    assert shown.out.endswith(f"move on {day}: 0 alerts about 1 bars\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("test", "mvoe", "--at", "2026-11-20"), "there is no alert rule mvoe; did you mean move"),
        (("test", "move", "--at", "2026-11-21"), "the market is closed"),
        (("test", "move", "--at", "2025-03-03"), "no bars of that day"),
        (("test", "level", "--at", "2026-11-20", "--levels", "nowhere.csv"), "cannot read the levels in nowhere.csv"),
        (("test", "move", "--at", "2026-11-20", "--sql-path", "nowhere"), "nowhere"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str, lake: Lake) -> None:
    ran = run_cli("alerts", *arguments, "--lake", lake.uri)
    assert ran.code == 2
    assert message in ran.err


def test_the_plans_of_rules_do_not_depend_on_the_bars_for_which_they_were_made(lake: Lake, tmp_path: Path) -> None:
    """Rules are planned when the tables are empty, and run on other bars each time."""
    texts = {
        "filtered": "SELECT symbol, close AS value, 'x' AS message FROM live WHERE close > 50",
        "grouped": "SELECT symbol, sum(events) AS value, max(symbol) AS message FROM live GROUP BY symbol, events",
        "joined": "SELECT l.symbol, f.silent_seconds AS value, 'x' AS message FROM live AS l "
        "JOIN live_feed AS f ON f.session = l.session JOIN live AS m ON m.events = l.events AND m.symbol = l.symbol "
        "WHERE f.silent_seconds > 5 ORDER BY l.symbol",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.sql").write_text(HEADER.format(name=name) + text)
    evaluation = Evaluation(lake, SESSION, find_rules(tmp_path))
    for round_ in range(1, 4):
        symbols = [f"{'LONGER' * round_}{number}" for number in range(50 * round_)]
        rows = [live_row(name, 40.0 + at, 40.0, events=1000**round_ + at) for at, name in enumerate(symbols)]
        publish_live(lake, rows, number=100 + round_)
        evaluation.use_lake()
        by_rule: dict[str, list[tuple[str, float | None, str]]] = {}
        for alert in evaluation.evaluate(FeedState(1_795_617_000.0, silent_seconds=10.0 * round_)):
            by_rule.setdefault(alert.rule, []).append((alert.symbol, alert.value, alert.message))
        assert sorted(by_rule["filtered"]) == sorted(
            (row["symbol"], row["close"], "x") for row in rows if row["close"] > 50
        )
        assert sorted(by_rule["grouped"]) == sorted((row["symbol"], row["events"], row["symbol"]) for row in rows)
        assert by_rule["joined"] == [(name, 10.0 * round_, "x") for name in sorted(symbols)]
