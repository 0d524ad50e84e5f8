"""Indicators as SQL of other engines: what is exported parses there, what is not is refused by its name."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from stockstream.sql.catalogue import shipped
from stockstream.sql.dialects import Dialect, Refused, export
from stockstream.sql.errors import UsageError

SAMPLE = ("rsi", "bollinger", "atr", "beta")


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
def test_a_function_that_is_not_known_is_refused_by_its_name(dialect: Dialect) -> None:
    with pytest.raises(Refused, match=f"psar cannot be written for {dialect}: it calls .*list_reduce"):
        export(shipped(), "psar", dialect)


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


def test_a_table_that_is_no_name_is_refused() -> None:
    with pytest.raises(UsageError, match="'a; b' is no plain name"):
        export(shipped(), "rsi", Dialect.SPARK, src="a; b")
