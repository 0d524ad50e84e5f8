/* ---
name: rsi
version: 1
title: Relative strength index.
status: superseded
grain: one row per symbol and date
params: {n: 14, value: close}
columns: [value]
returns: [rsi]
warmup: n
lookback: n + 28 * n
formula: 100 * up / (up + down), where up and down are Wilder's averages of the rises and of the falls; 0 where the
  value has never changed
difference: 4e-15
reference: J. W. Wilder, New Concepts in Technical Trading Systems (1978); equal to TA-Lib RSI
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO rsi_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k,
        CAST(value AS DOUBLE) - lag(CAST(value AS DOUBLE)) OVER w AS change
    FROM query_table(src)
    WHERE value IS NOT NULL AND at_least_v1(n, 2, 'the period n of rsi')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moves AS (
    SELECT symbol, date, k,
        CASE WHEN change > 0 THEN change ELSE 0e0 END AS up, CASE WHEN change < 0 THEN -change ELSE 0e0 END AS down
    FROM bars
),
weighted AS (
    -- The first n weigh so much that they come to their mean when the n-th is there.
    SELECT symbol, date, k,
        CASE WHEN k > n THEN up / n ELSE up * pow(1 - 1e0 / n, k - n) / n END AS up,
        CASE WHEN k > n THEN down / n ELSE down * pow(1 - 1e0 / n, k - n) / n END AS down
    FROM moves
),
averaged AS (
    SELECT symbol, date, k, decayed_v1(up, 1 - 1e0 / n, k) AS up, decayed_v1(down, 1 - 1e0 / n, k) AS down FROM weighted
)
SELECT symbol, date,
    CASE WHEN k >= n THEN CASE WHEN up + down = 0 THEN 0e0 ELSE 100 * up / (up + down) END END AS rsi
FROM averaged;
