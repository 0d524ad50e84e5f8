/* ---
name: roc
version: 2
title: Rate of change.
status: active
grain: one row per symbol and date
params: {n: 10, value: close}
columns: [value]
returns: [roc]
scale: {roc: 100}
units: {roc: percent}
warmup: n
lookback: n
formula: 100 * (value / value n bars before - 1); 0 where the earlier value is 0
difference: 1e-15
reference: equal to TA-Lib ROC
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO roc_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, lag(CAST(value AS DOUBLE), n) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 1, 'the period n of roc')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN before = 0 THEN 0e0 ELSE 100 * (x / before - 1) END AS roc
FROM bars;
