"""Generic rules, each with tables in which it must find certain rows and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stockstream.pipeline.checks import Check
from stockstream.pipeline.checks.rules import read_rules


@dataclass(frozen=True)
class PlantedRule:
    """A rule of the table `t`, tables, and the bad rows that it must find."""

    rule: str
    tables: str
    """Statements that create the tables."""
    bad: Sequence[str]
    key: str = "[k]"

    def check(self) -> Check:
        text = f"tables:\n  t:\n    key: {self.key}\n    date: d\n    rules:\n      - {self.rule}\n"
        (check,) = read_rules(Path("rules.yml"), text)
        assert check.error is None, check.error
        return replace(check, name=self.rule)


TODAY = datetime.now(UTC).date()
COUNTS = "CREATE TABLE t AS SELECT DATE '2024-01-01' + CAST(i AS INTEGER) AS d FROM (VALUES {}) AS v(i, n), range(n)"
SPANS = """
CREATE TABLE sessions AS SELECT date FROM (VALUES (DATE '2024-01-01'), ('2024-01-02'), ('2024-01-03'), ('2024-01-05'),
    ('2024-01-08')) AS v(date);
CREATE TABLE t AS SELECT * FROM (VALUES {}) AS v(k, d)"""
PAIR = """
CREATE TABLE t AS SELECT * FROM (VALUES {}) AS v(k, x, y);
CREATE TABLE o AS SELECT * FROM (VALUES {}) AS v(k, x, y)"""

PLANTED_RULES = [
    PlantedRule(
        "unique: [k, x]",
        "CREATE TABLE t AS SELECT * FROM (VALUES ('a', 1), ('a', 1), ('a', 2), ('b', 1), ('c', NULL), ('c', NULL), "
        "('d', 1), ('d', 1), ('d', 1)) AS v(k, x)",
        ["a 1 2 rows", "c 2 rows", "d 1 3 rows"],
    ),
    PlantedRule(
        "not_null: [x, y]",
        "CREATE TABLE t AS SELECT * FROM (VALUES ('a', 1, NULL), ('b', NULL, 'z'), ('c', NULL, NULL), ('d', 0, '')) "
        "AS v(k, x, y)",
        ["a y is NULL", "b x is NULL", "c x is NULL, y is NULL"],
    ),
    PlantedRule(
        "range: {columns: [x, y], min: 1, max: 5}",
        "CREATE TABLE t AS SELECT k, x::DOUBLE AS x, y::DOUBLE AS y FROM (VALUES ('a', '1', '5'), ('b', '0.5', '1'), "
        "('c', '5', '5.5'), ('d', '0', '6'), ('e', '1', 'nan'), ('f', 'nan', '1'), ('g', NULL, NULL), ('h', '5.5', '3')"
        ") AS v(k, x, y)",
        ["b x is 0.5", "c y is 5.5", "d x is 0.0, y is 6.0", "e y is nan", "f x is nan", "h x is 5.5"],
    ),
    PlantedRule(
        "range: {columns: x, above: 0}",
        "CREATE TABLE t AS SELECT k, x::DOUBLE AS x FROM (VALUES ('a', '0'), ('b', '0.5'), ('c', '-1'), ('d', 'nan'), "
        "('e', 'inf'), ('f', '1e300')) AS v(k, x)",
        ["a x is 0.0", "c x is -1.0", "d x is nan"],
    ),
    PlantedRule(
        "range: {columns: x, above: 2024-01-02, below: 2024-01-05}",
        "CREATE TABLE t AS SELECT 'k' || i AS k, DATE '2024-01-01' + CAST(i AS INTEGER) AS x FROM range(6) AS r(i)",
        ["k0 x is 2024-01-01", "k1 x is 2024-01-02", "k4 x is 2024-01-05", "k5 x is 2024-01-06"],
    ),
    PlantedRule(
        "accepted_values: {columns: [x, y], values: [yes, no]}",
        "CREATE TABLE t AS SELECT * FROM (VALUES ('a', 'yes', 'no'), ('b', 'true', 'yes'), ('c', 'no', 'false'), "
        "('d', 'x', 'y'), ('e', NULL, NULL), ('f', 'no', 'yes'), ('g', 'yes', 'no')) AS v(k, x, y)",
        ["b x is true", "c y is false", "d x is x, y is y"],
    ),
    PlantedRule(
        "recency: {within: 3 days, by: k}",
        f"CREATE TABLE t AS SELECT k, DATE '{TODAY}' - age AS d FROM (VALUES ('a', 3), ('b', 4), ('b', 9), ('c', 0), "
        "('c', 9), ('e', NULL)) AS v(k, age)",
        [f"b {TODAY - timedelta(4)} the newest is {TODAY - timedelta(4)}", "e there is no row"],
    ),
    *(
        PlantedRule("recency: {within: 2 days}", f"CREATE TABLE t AS {rows}", bad)
        for rows, bad in (
            ("SELECT NULL::DATE AS d WHERE false", ["there is no row"]),
            (f"SELECT DATE '{TODAY}' - 2 AS d", []),
            (f"SELECT DATE '{TODAY}' - 3 AS d", [f"{TODAY - timedelta(3)} the newest is {TODAY - timedelta(3)}"]),
        )
    ),
    PlantedRule("row_count: {min: 2, max: 3}", "CREATE TABLE t AS FROM range(1)", ["1 rows"]),
    PlantedRule("row_count: {min: 2, max: 3}", "CREATE TABLE t AS FROM range(2)", []),
    PlantedRule("row_count: {min: 2, max: 3}", "CREATE TABLE t AS FROM range(3)", []),
    PlantedRule("row_count: {min: 2, max: 3}", "CREATE TABLE t AS FROM range(4)", ["4 rows"]),
    PlantedRule("row_count: {min: 1}", "CREATE TABLE t AS FROM range(0)", ["0 rows"]),
    PlantedRule("row_count: {min: 1}", "CREATE TABLE t AS FROM range(1)", []),
    PlantedRule(
        "row_count: {within: 50 %, dates: 2}",
        COUNTS.format("(0, 4), (1, 4), (2, 2), (3, 3), (4, 4), (5, 5), (6, 9), (7, 3), (8, 10)"),
        [
            "2024-01-05 4 rows, 2.5 on average before",
            "2024-01-07 9 rows, 4.5 on average before",
            "2024-01-08 3 rows, 7.0 on average before",
            "2024-01-09 10 rows, 6.0 on average before",
        ],
    ),
    PlantedRule(
        "sequential_sessions: {by: k}",
        SPANS.format(
            "('a', DATE '2024-01-02'), ('a', '2024-01-03'), ('a', '2024-01-05'), ('b', '2024-01-01'), "
            "('b', '2024-01-04'), ('b', '2024-01-05'), (NULL, '2024-01-03'), (NULL, '2024-01-08'), ('z', '2024-01-06')"
        ),
        [
            "b 2024-01-02 no row on this session",
            "b 2024-01-03 no row on this session",
            "b 2024-01-04 a row on a day that is no session",
            "z 2024-01-06 a row on a day that is no session",
            "2024-01-05 no row on this session",
        ],
    ),
    PlantedRule(
        "sequential_sessions: {}",
        SPANS.format("('a', DATE '2024-01-02'), ('a', '2024-01-05'), ('b', '2024-01-04')"),
        ["2024-01-03 no row on this session", "2024-01-04 a row on a day that is no session"],
    ),
    PlantedRule(
        "sequential_sessions: {}",
        SPANS.format("('a', DATE '2024-01-06')"),
        ["2024-01-06 a row on a day that is no session"],
    ),
    PlantedRule(
        "exists_in: {columns: [x, y], table: o, other_columns: [x, k]}",
        PAIR.format(
            "('a', 1, 'p'), ('b', 2, 'p'), ('c', 1, 'q'), ('d', NULL, 'q'), ('e', 1, NULL)", "('p', 1, 9), ('q', 2, 9)"
        ),
        ["b 2 p is not in o", "c 1 q is not in o"],
    ),
    PlantedRule(
        "same_totals: {table: o, by: k}",
        PAIR.format(
            "('a', 1, 1), ('a', 2, 1), ('b', 1, 1), ('c', 1, 1), (NULL, 1, 1)",
            "('a', 1, 1), ('b', 5, 5), ('d', 1, 1), (NULL, 5, 5)",
        ),
        ["a number of rows is 2, in o 1", "c number of rows is 1, in o 0", "d number of rows is 0, in o 1"],
    ),
    PlantedRule(
        "same_totals: {table: o, sums: [x, y], by: k, within: 10 %}",
        PAIR.format(
            "('a', 100, -90), ('b', 100, 1), ('c', 1, 1), (NULL, 5, 5), ('e', NULL, 2), ('f', -100, 1), ('g', 2, NULL)",
            "('a', 90, -100), ('b', 89, 1), ('c', 1, 2), (NULL, 5, 5), ('e', 0, 2), ('f', 100, 1), ('h', NULL, 2), "
            "('i', 88, 88)",
        )
        + "; INSERT INTO t VALUES ('i', 100, 100)",
        [
            "b x is 100, in o 89",
            "c y is 1, in o 2",
            "f x is -100, in o 100",
            "g x is 2, in o 0",
            "h y is 0, in o 2",
            "i x is 100, in o 88, y is 100, in o 88",
        ],
    ),
    *(
        PlantedRule("same_totals: {table: o, sums: x}", PAIR.format(ours, theirs), bad)
        for ours, theirs, bad in (
            ("('a', 1, 1), ('a', 2, 1)", "('a', 1, 1)", ["x is 3, in o 1"]),
            ("('a', 3, 1)", "('a', 1, 1), ('b', 2, 1)", []),
            ("('a', NULL::INTEGER, 1)", "('b', 0, 1)", []),
            ("('a', 0, 1)", "('b', NULL::INTEGER, 1)", []),
            ("('a', 1000000000, 1)", "('b', 1000000001, 1)", []),
            ("('a', 1000000000, 1)", "('b', 999999999, 1)", []),
            ("('a', 100000000, 1)", "('b', 100000001, 1)", ["x is 100000000, in o 100000001"]),
        )
    ),
]
