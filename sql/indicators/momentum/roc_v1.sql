/* ---
name: roc
version: 1
title: Rate of change.
status: superseded
grain: one row per symbol and date
params: {n: 10, value: close}
columns: [value]
returns: [roc]
warmup: n
lookback: n
formula: 100 * (value / value n bars before - 1); 0 where the earlier value is 0
difference: 1e-15
reference: equal to TA-Lib ROC
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO roc_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, lag(CAST(value AS DOUBLE), n) OVER w AS before
    FROM query_table(src)
    WHERE value IS NOT NULL AND at_least_v1(n, 1, 'the period n of roc')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN before = 0 THEN 0e0 ELSE 100 * (x / before - 1) END AS roc
FROM bars;
