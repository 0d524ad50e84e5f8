"""Each generic rule finds the planted rows and no others; `make mutate` runs these rows against changed copies."""

from __future__ import annotations

import duckdb
import pytest

from stockstream.pipeline.checks import described, run_checks
from stockstream.pipeline.checks.rule_parameters import KINDS
from tests.pipeline.checks.planted_rules import PLANTED_RULES, PlantedRule


@pytest.mark.parametrize(
    "planted", PLANTED_RULES, ids=lambda one: f"{one.rule}, {', '.join(one.bad)[:20] or 'nothing'}"
)
def test_rule_finds_planted_rows_and_no_others(planted: PlantedRule) -> None:
    with duckdb.connect() as con:
        con.execute(planted.tables)
        (finding,) = run_checks(con, [planted.check()])
    assert (finding.error, [described(row) for row in finding.rows]) == (None, list(planted.bad))


def test_every_kind_of_rule_is_planted() -> None:
    assert {planted.rule.partition(":")[0] for planted in PLANTED_RULES} == set(KINDS)
