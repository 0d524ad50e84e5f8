"""Indicators as SQL of other engines: what is exported parses there, what is not is refused by its name."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp
from trino_query_parser import TrinoSyntaxError, parse_statement

from stockstream.sql.catalogue import shipped
from stockstream.sql.dialects import Dialect, Refused, export
from stockstream.sql.errors import UsageError
from stockstream.sql.loader import HOME
from tests.sql.dialects import EXPORTED, REFUSED

SAMPLE = ("rsi", "bollinger", "atr", "beta")
LARGE = pytest.mark.large


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", SAMPLE)
def test_an_exported_text_parses_and_has_no_macro(name: str, dialect: Dialect) -> None:
    exported = export(shipped(), name, dialect, src="db.daily")
    query = sqlglot.parse_one(exported.sql, dialect=dialect)
    assert query.named_selects == ["symbol", "date", *shipped().find(name)[0].returns]
    assert "db.daily" in exported.sql
    assert "_v1" not in exported.sql
    windows = list(query.find_all(exp.Window))
    assert windows
    assert all(window.args.get("order") and not window.args.get("alias") for window in windows)


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", ["psar", *(pytest.param(one, marks=LARGE) for one in REFUSED if one != "psar")])
def test_a_function_that_is_not_known_is_refused_by_its_name(name: str, dialect: Dialect) -> None:
    function = {"aroon": "struct", "vwap_anchored": "timestamp_trunc"}.get(name, "list_|transform")
    with pytest.raises(Refused, match=f"{name} cannot be written for {dialect}: it calls .*({function})"):
        export(shipped(), name, dialect)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"m": "2"}, "rsi has no parameter m: it takes n=14, value=close"),
        ({"n": "1.5"}, "the period n of rsi is 1.5"),
        ({"n": ")"}, r"n=\) is no SQL expression"),
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export(shipped(), "rsi", Dialect.SPARK, params=params)


@pytest.mark.parametrize("name", [one if one in SAMPLE else pytest.param(one, marks=LARGE) for one in EXPORTED])
def test_a_text_for_athena_is_in_the_grammar_of_trino(name: str) -> None:
    """Nothing executes it: Trino is no engine that starts in a test."""
    parse_statement(export(shipped(), name, Dialect.ATHENA).sql)


def test_the_readme_names_what_is_refused() -> None:
    sentence = re.search(r"neither engine computes (.*?), which", (HOME / "README.md").read_text(), re.DOTALL)
    assert sentence
    assert tuple(re.findall(r"`(\w+)`", sentence[1])) == REFUSED


def test_what_is_not_in_the_grammar_is_noticed() -> None:
    with pytest.raises(TrinoSyntaxError):
        parse_statement("SELECT avg(x) OVER w ROWS 2 PRECEDING FROM bars WINDOW w AS (ORDER BY date)")


def test_a_table_that_is_no_name_is_refused() -> None:
    with pytest.raises(UsageError, match="'a; b' is no plain name"):
        export(shipped(), "rsi", Dialect.SPARK, src="a; b")
