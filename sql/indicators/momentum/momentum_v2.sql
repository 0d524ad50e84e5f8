/* ---
name: momentum
version: 2
aliases: [mom]
title: Momentum.
status: active
grain: one row per symbol and date
params: {n: 10, value: close}
columns: [value]
returns: [momentum]
price_like: [momentum]
scale: {momentum: price}
warmup: n
lookback: n
formula: value - value n bars before
difference: 1e-15
reference: equal to TA-Lib MOM
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO momentum_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, lag(CAST(value AS DOUBLE), n) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 1, 'the period n of momentum')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, x - before AS momentum
FROM bars;
