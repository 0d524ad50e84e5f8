/* ---
name: trix
version: 2
title: Rate of change of a triple exponential average.
status: active
grain: one row per symbol and date
params: {n: 15, value: close}
columns: [value]
returns: [trix]
scale: {trix: 100}
units: {trix: percent}
warmup: 3 * n - 2
lookback: 3 * n - 2 + 54 * (n + 1)
formula: 100 * (e3 / previous e3 - 1), or 0 if the previous e3 is 0, where e1 = ema(n) of value, e2 = ema(n) of e1 and e3
  = ema(n) of e2; each average starts with the mean of its first n values
difference: 2e-15
reference: equal to TA-Lib TRIX, whose default n is 30
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; written with the kernel ema_of_v1
--- */
CREATE OR REPLACE MACRO trix_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of trix')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
once AS (
    SELECT symbol, date, k, ema_of_v1(x, n, n - 1, k) AS e1
    FROM bars
),
twice AS (
    SELECT symbol, date, k, ema_of_v1(e1, n, 2 * n - 2, k) AS e2
    FROM once
),
thrice AS (
    SELECT symbol, date, k, ema_of_v1(e2, n, 3 * n - 3, k) AS e3
    FROM twice
),
steps AS (
    SELECT symbol, date, e3, lag(e3) OVER w AS before
    FROM thrice
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN before = 0 THEN 0e0 ELSE 100 * (e3 / before - 1) END AS trix
FROM steps;
