/* ---
name: relative_strength
version: 1
aliases: [prs]
title: Relative strength against a benchmark.
status: active
grain: one row per symbol and date
params: {n: 60, benchmark: "'SPY'"}
columns: [close]
returns: [relative_strength, excess_return]
scale: {relative_strength: 1, excess_return: 1}
units: {relative_strength: "ratio, 0.1 is 10 %", excess_return: "ratio, 0.1 is 10 %"}
warmup: n
lookback: n
formula: "excess_return = growth - benchmark's growth and relative_strength = growth / benchmark's growth - 1, where growth
  = close / close n days before; 0.1 is 10 %. Only days on which both have a bar count: on a day without a bar of the
  benchmark both are NULL, as where an earlier close, or the benchmark's, is 0. Both are free of the level of adjusted
  prices, which the quotient of two closes is not"
difference: 1e-15
reference: relative_strength is equal to TradingView's scripts of comparative relative strength, excess_return to the per
  cents of Skender's price relative strength. It has nothing to do with rsi. The benchmark is a symbol of the same table,
  `relative_strength('bars_adjusted', 60, 'QQQ')`; if it has no bars at all, that is an error. The compiled query joins this
  macro, which joins two symbols
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO relative_strength_v1(src, n, benchmark) AS TABLE
WITH shares AS (
    SELECT symbol, date, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(close) AND at_least_v1(n, 1, 'the period n of relative_strength')
),
market AS (
    SELECT date, x AS m
    FROM shares
    WHERE symbol = benchmark
),
growths AS (
    SELECT s.symbol, s.date, s.x / nullif(lag(s.x, n) OVER w, 0) AS growth,
        b.m / nullif(lag(b.m, n) OVER w, 0) AS market_growth
    FROM shares AS s
    JOIN market AS b ON s.date = b.date
    WINDOW w AS (PARTITION BY symbol ORDER BY s.date)
)
SELECT s.symbol, s.date, g.growth / nullif(g.market_growth, 0) - 1 AS relative_strength,
    g.growth - g.market_growth AS excess_return
FROM shares AS s
LEFT JOIN growths AS g ON s.symbol = g.symbol AND s.date = g.date
WHERE has_bars_v1((SELECT count(*) FROM market), benchmark, 'the benchmark of relative_strength');
