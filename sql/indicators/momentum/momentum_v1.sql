/* ---
name: momentum
version: 1
title: Momentum.
status: superseded
grain: one row per symbol and date
params: {n: 10, value: close}
columns: [value]
returns: [momentum]
warmup: n
lookback: n
formula: value - value n bars before
difference: 1e-15
reference: equal to TA-Lib MOM
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO momentum_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, lag(CAST(value AS DOUBLE), n) OVER w AS before
    FROM query_table(src)
    WHERE value IS NOT NULL AND at_least_v1(n, 1, 'the period n of momentum')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, x - before AS momentum
FROM bars;
