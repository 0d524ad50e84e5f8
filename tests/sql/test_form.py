"""The form of the SQL files: keywords in upper case, short lines, window frames written out, nothing unportable.

The files are parsed with sqlglot, which the compiler of indicators also uses: sqlfluff 4.5 does not parse
`$parameters`, a lambda with two arguments, CREATE SECRET and COMMENT ON MACRO.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.tokens import Token, TokenType

from stockstream.sql.loader import HOME, load

FILES = sorted(
    path.relative_to(HOME).with_suffix("").as_posix()
    for path in HOME.rglob("*.sql")
    if path not in (HOME / "init.sql", HOME / "indicators/aliases.sql")  # generated
)
LONGEST = 120
KEYWORDS = {
    getattr(TokenType, name)
    for name in re.findall(
        r"\w+",
        """ALIAS ALL AND ANTI ASC ASOF BETWEEN CASE CREATE CROSS DESC DISTINCT ELSE END EXISTS FILTER FROM GROUP_BY
        HAVING IN INNER INSERT INTERVAL INTO IS JOIN LIKE LIMIT NOT NULL ON OR ORDER_BY OVER PARTITION_BY QUALIFY RANGE
        ROWS SELECT SEMI SET TEMPORARY THEN UNION USING VALUES VIEW WHEN WHERE WINDOW WITH""",
    )
}
FUNCTIONS = (exp.Sum, exp.Count, exp.Avg, exp.Min, exp.Max, exp.LastValue, exp.FirstValue, exp.ArrayAgg)
"""Functions whose result depends on the frame of the window."""
UNPORTABLE = ("SELECT *", "GROUP BY ALL", "EXCLUDE", "COLUMNS(")
RELEASED = "indicators/"
"""The folder of files that are locked once they are released; some of them have longer lines."""


def tokens(name: str) -> list[Token]:
    return sqlglot.tokenize(load(name).body, dialect="duckdb")


@pytest.mark.parametrize("name", FILES)
def test_lines(name: str) -> None:
    text = load(name).text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    for number, line in enumerate(text.splitlines(), 1):
        assert line == line.rstrip(), f"{name}, line {number}: white space at the end"
        assert "\t" not in line, f"{name}, line {number}: a tab"
        is_short = len(line) <= LONGEST or name.startswith(RELEASED)
        assert is_short, f"{name}, line {number}: {len(line)} characters"


@pytest.mark.parametrize("name", FILES)
def test_keywords_are_upper_case(name: str) -> None:
    lower = [token.text for token in tokens(name) if token.token_type in KEYWORDS and token.text != token.text.upper()]
    assert lower == []


@pytest.mark.parametrize("name", FILES)
def test_statements_end_with_a_semicolon_unless_the_file_is_one_query(name: str) -> None:
    statements = load(name).body.rstrip()
    assert statements.endswith(";") or len(sqlglot.parse(statements, dialect="duckdb")) == 1


def frames(query: exp.Expression) -> Iterator[exp.Window]:
    """Yield the windows with an order but no frame whose functions depend on the frame."""
    for window in query.find_all(exp.Window):
        select = window.find_ancestor(exp.Select)
        definitions = {one.alias_or_name: one for one in (select.args.get("windows") or [])} if select else {}
        definition = definitions.get(window.alias, window)
        function = window.this
        while isinstance(function, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
            function = function.this
        is_ordered = window.args.get("order") or definition.args.get("order")
        has_frame = window.args.get("spec") or definition.args.get("spec")
        if isinstance(function, FUNCTIONS) and is_ordered and not has_frame:
            yield window


@pytest.mark.parametrize("name", [name for name in FILES if name != "secret"])
def test_window_frames_are_written_out(name: str) -> None:
    statements = sqlglot.parse(load(name).body, dialect="duckdb")
    unframed = [window.sql("duckdb") for one in statements if one is not None for window in frames(one)]
    assert unframed == []


def test_an_unframed_window_is_found() -> None:
    for text in ("sum(x) OVER (ORDER BY d)", "last_value(x IGNORE NULLS) OVER w"):
        (query,) = sqlglot.parse(f"SELECT {text} FROM t WINDOW w AS (ORDER BY d)", dialect="duckdb")
        assert query is not None
        assert len(list(frames(query))) == 1, text


@pytest.mark.parametrize("name", [name for name in FILES if name.split("/")[0] in ("views", "checks", "steps")])
def test_nothing_unportable(name: str) -> None:
    for unportable in UNPORTABLE:
        assert unportable not in load(name).body
