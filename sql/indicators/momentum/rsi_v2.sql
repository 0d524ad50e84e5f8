/* ---
name: rsi
version: 2
title: Relative strength index.
status: active
grain: one row per symbol and date
params: {n: 14, value: close}
columns: [value]
returns: [rsi]
units: {rsi: 0 to 100}
warmup: n
lookback: n + 28 * n
formula: 100 * up / (up + down), where up and down are Wilder's averages of the rises and of the falls; 0 where the
  value has never changed
difference: 4e-15
reference: J. W. Wilder, New Concepts in Technical Trading Systems (1978); equal to TA-Lib RSI
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; written with the kernel wilder_of_v1
--- */
CREATE OR REPLACE MACRO rsi_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k,
        CAST(value AS DOUBLE) - lag(CAST(value AS DOUBLE)) OVER w AS change
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of rsi')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moves AS (
    SELECT symbol, date, k,
        CASE WHEN change > 0 THEN change ELSE 0e0 END AS up, CASE WHEN change < 0 THEN -change ELSE 0e0 END AS down
    FROM bars
),
averages AS (
    SELECT symbol, date, wilder_of_v1(up, n, n, k) AS up, wilder_of_v1(down, n, n, k) AS down
    FROM moves
)
SELECT symbol, date, CASE WHEN up + down = 0 THEN 0e0 ELSE 100 * up / (up + down) END AS rsi
FROM averages;
