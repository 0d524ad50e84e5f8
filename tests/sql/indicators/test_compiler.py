"""The compiler: any set of indicators in one query; names, shared values, any table, and errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import by_macros, parse, plan, query
from stockstream.sql.compiler.arrays.program import lower
from stockstream.sql.errors import UsageError

SEEDS = [
    "sma_20", "sma_50", "ema_12", "ema_26", "rsi_14", "macd", "macd_signal", "bollinger_upper", "bollinger_lower",
    "atr_14",
]  # fmt: skip


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        catalogue().install(con)
        con.execute(
            "CREATE TABLE bars AS SELECT symbol, DATE '2020-01-01' + i::INTEGER AS date, close, close - 1 AS open, "
            "close + 1 AS high, close - 2 AS low, 1000 + hash(i) % 100 AS volume FROM (SELECT unnest(['A', 'B']) AS "
            "symbol, i, 100 + 10 * sin(i / 5) + hash(i) % 10 AS close FROM range(300) AS r (i))"
        )
        yield con


def assert_same(rows: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    assert len(rows) == len(expected) > 0
    for one, other in zip(rows, expected, strict=True):
        assert one == tuple(pytest.approx(value, rel=1e-9) if isinstance(value, float) else value for value in other)


def calls_of(*texts: str) -> list[tuple[str, str, str]]:
    return [(one.name, one.column, one.call("bars")) for one in parse(texts, catalogue())]


def test_the_names_of_the_seeds_are_columns(con: duckdb.DuckDBPyConnection) -> None:
    relation = con.sql(plan(con, parse(SEEDS, catalogue()), "bars").query(con))
    assert relation.columns == ["symbol", "date", *SEEDS]
    assert relation.count("symbol").fetchall() == [(600,)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rsi", [("rsi", "rsi", "rsi_v2('bars', 14, close)")]),
        ("rsi_21", [("rsi_21", "rsi", "rsi_v2('bars', 21, close)")]),
        ("rsi(21)", [("rsi_21", "rsi", "rsi_v2('bars', 21, close)")]),
        ("RSI(21, volume)", [("rsi_21_volume", "rsi", "rsi_v2('bars', 21, volume)")]),
        ("RSI_21", [("rsi_21", "rsi", "rsi_v2('bars', 21, close)")]),
        ("rsi_v1(5)", [("rsi_5", "rsi", "rsi_v1('bars', 5, close)")]),
        ("macd_signal_5_35_4", [("macd_signal_5_35_4", "macd_signal", "macd_v2('bars', 5, 35, 4, close)")]),
        (
            "bollinger_upper_20_2.5",
            [("bollinger_upper_20_2.5", "bollinger_upper", "bollinger_v2('bars', 20, 2.5, close)")],
        ),
        ("sma(9, (high + low) / 2) AS mid", [("mid", "sma", "sma_v2('bars', 9, (high + low) / 2)")]),
        ("ema_9 AS fast", [("fast", "ema", "ema_v2('bars', 9, close)")]),
        ("obv", [("obv", "obv", "obv_v2('bars')")]),
        ("RMA_21", [("rma_21", "smma", "smma_v1('bars', 21, close)")]),
        ("willr(9) AS r", [("r", "williams_r", "williams_r_v2('bars', 9)")]),
        ("eri", [(f"elder_{of}", f"elder_{of}", "elder_ray_v1('bars', 13)") for of in ("bull", "bear")]),
    ],
)
def test_requests_are_parsed(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert calls_of(text) == expected


def test_an_indicators_name_means_all_its_columns() -> None:
    names = [name for name, *_ in calls_of("bollinger_10_3")]
    assert names == [f"bollinger_{of}_10_3" for of in ("upper", "middle", "lower", "percent", "width")]


def test_only_what_is_needed_is_computed_and_shared_values_once() -> None:
    def steps(*texts: str) -> int:
        (program,) = lower(parse(texts, catalogue())).programs
        return program.text.count("out=")

    def windows(*texts: str) -> int:
        return query(parse(texts, catalogue()), "bars").count(" OVER (")

    assert steps("sma_20") == steps("sma_2") + 4, "20 bars are 16 and 4: four doublings and the rest"
    for count in (steps, windows):
        assert count("macd_hist", "macd", "macd_signal") in (count("macd_hist"), count("macd_hist") + 1)
        assert count("sma_20", "bollinger_middle") == count("sma_20")
        assert count("ema_12", "ema_12 AS other", "sma_20", "sma_20 AS again") == count("ema_12", "sma_20")
    assert "volume" not in query(parse(["macd"], catalogue()), "bars")
    assert set(lower(parse(["macd", "obv"], catalogue())).inputs) == {"close", "volume"}


def test_an_alias_is_a_macro_whose_only_column_has_its_name(con: duckdb.DuckDBPyConnection) -> None:
    order = "ORDER BY symbol, date"
    for alias, name in (("rma('bars', 5)", "smma_v1('bars', 5, close)"), ("bbands('bars')", "bollinger('bars')")):
        assert con.sql(f"FROM {alias} {order}").fetchall() == con.sql(f"FROM {name} {order}").fetchall()
    assert con.sql("FROM rma('bars', 5, high)").columns == ["symbol", "date", "rma"]
    assert con.sql("FROM stoch('bars')").columns == ["symbol", "date", "stoch_k", "stoch_d"]


@pytest.mark.parametrize("src", ["bars", "shares", "mine.prices", '"odd name"'])
def test_any_table_with_the_columns_that_are_needed(src: str, con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE SCHEMA IF NOT EXISTS mine")
    con.execute("CREATE OR REPLACE VIEW shares AS SELECT symbol, date, close FROM bars")
    con.execute("CREATE OR REPLACE TABLE mine.prices AS FROM shares")
    con.execute('CREATE OR REPLACE TABLE "odd name" AS FROM shares')
    rows = con.sql(
        f"FROM ({plan(con, parse(['rsi', 'ema_5'], catalogue()), src).query(con)}) ORDER BY symbol, date"
    ).fetchall()
    macros = (
        "SELECT symbol, date, rsi, ema FROM rsi('bars') JOIN ema('bars', 5) USING (symbol, date) ORDER BY symbol, date"
    )
    assert_same(rows, con.sql(macros).fetchall())


def test_a_cte_is_a_table_to_a_macro(con: duckdb.DuckDBPyConnection) -> None:
    text = "WITH mine AS (SELECT symbol, date, high * 2 AS price FROM bars) {} ORDER BY symbol, date"
    assert (
        con.sql(text.format("SELECT sma FROM sma('mine', 10, price)")).fetchall()
        == con.sql(text.format("SELECT sma FROM sma('bars', n := 10, value := high * 2)")).fetchall()
    )


def test_a_row_is_left_out_only_for_the_indicators_that_lack_a_value(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE OR REPLACE TABLE holes AS FROM bars")
    con.execute("UPDATE holes SET high = NULL WHERE symbol = 'A' AND day(date) = 9")
    requests = parse(["atr_14", "sma_20", "psar"], catalogue())
    wide = con.sql(f"FROM ({plan(con, requests, 'holes').query(con)}) ORDER BY symbol, date").fetchall()
    assert_same(wide, con.sql(f"FROM ({by_macros(requests, 'holes')}) ORDER BY symbol, date").fetchall())
    con.execute("CREATE OR REPLACE TABLE without AS FROM holes WHERE high IS NOT NULL")
    alone = con.sql("SELECT symbol, date, atr FROM holes LEFT JOIN atr('without') USING (symbol, date) ORDER BY 1, 2")
    assert_same([row[:3] for row in wide], alone.fetchall())
    assert [row[3] for row in wide] == [
        pytest.approx(row[2]) if row[2] else None
        for row in con.sql("FROM sma('bars') ORDER BY symbol, date").fetchall()
    ]


@pytest.mark.parametrize(
    ("texts", "src", "words"),
    [
        (["rsii_14"], "bars", "there is no indicator rsii: is rsi"),
        (["rsi14"], "bars", "there is no indicator rsi14: is rsi_14 meant?"),
        (["RSI14"], "bars", "there is no indicator rsi14: is rsi_14 meant?"),
        (["rsi-14"], "bars", "rsi-14 is not an indicator: is rsi_14 meant?"),
        (["rsi 14"], "bars", "rsi 14 is not an indicator: is rsi_14 meant?"),
        (["rsj14"], "bars", "is rsi_14 or prs_14 meant?"),
        (["close"], "bars", "there is no indicator close"),
        (["sma_1"], "bars", "the period n of sma is 1: a whole number from 2 on is needed"),
        (["sma(2.5)"], "bars", "the period n of sma is 2.5"),
        (["macd_26_12"], "bars", "slow of macd is 12"),
        (["sma_20_3"], "bars", "sma takes n = 20, value = close"),
        (["sma(20, high + low)"], "bars", "the column needs a name"),
        (["bollinger AS x"], "bars", "request each by its name"),
        (["sma_5 AS x", "sma_6 AS x"], "bars", "two columns would be called x"),
        (["sma 20"], "bars", "is not an indicator"),
        (["rsi; DROP TABLE bars"], "bars", "is not an indicator"),
        (["rsi"], "nothing", "there is no table nothing"),
        (["atr"], "(SELECT symbol, date, close FROM bars)", "atr needs the columns high, low"),
        (["sma(5, turnover)"], "bars", "sma_5_turnover needs the columns turnover"),
        (["sma_5"], "(FROM bars UNION ALL FROM bars)", "has a day of A more than once"),
    ],
)
def test_an_error_is_one_line(texts: list[str], src: str, words: str, con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError) as raised:
        plan(con, parse(texts, catalogue()), src).query(con)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
