/* ---
name: trix
version: 1
title: Rate of change of a triple exponential average.
status: superseded
grain: one row per symbol and date
params: {n: 15, value: close}
columns: [value]
returns: [trix]
warmup: 3 * n - 2
lookback: 3 * n - 2 + 54 * (n + 1)
formula: 100 * (e3 / previous e3 - 1), 0 where the previous e3 is 0, where e1 = ema(n) of value, e2 of e1 and e3 of
  e2; each starts with the mean of its first n values
difference: 2e-15
reference: equal to TA-Lib TRIX, whose default n is 30
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO trix_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE value IS NOT NULL AND at_least_v1(n, 2, 'the period n of trix')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
seeded_1 AS (
    SELECT symbol, date, k,
        CASE WHEN k < n - 1 THEN 0e0 WHEN k = n - 1 THEN avg(x) OVER w ELSE x * 2e0 / (n + 1) END AS x
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
averaged_1 AS (
    SELECT symbol, date, k, decayed_v1(x, 1 - 2e0 / (n + 1), k) AS e1 FROM seeded_1
),
seeded_2 AS (
    SELECT symbol, date, k,
        CASE WHEN k < 2 * n - 2 THEN 0e0 WHEN k = 2 * n - 2 THEN avg(e1) OVER w ELSE e1 * 2e0 / (n + 1) END AS x
    FROM averaged_1
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
averaged_2 AS (
    SELECT symbol, date, k, decayed_v1(x, 1 - 2e0 / (n + 1), k) AS e2 FROM seeded_2
),
seeded_3 AS (
    SELECT symbol, date, k,
        CASE WHEN k < 3 * n - 3 THEN 0e0 WHEN k = 3 * n - 3 THEN avg(e2) OVER w ELSE e2 * 2e0 / (n + 1) END AS x
    FROM averaged_2
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
averaged_3 AS (
    SELECT symbol, date, k, decayed_v1(x, 1 - 2e0 / (n + 1), k) AS e3 FROM seeded_3
),
steps AS (
    SELECT symbol, date, k, e3, lag(e3) OVER w AS before
    FROM averaged_3
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date,
    CASE WHEN k >= 3 * n - 2 THEN CASE WHEN before = 0 THEN 0e0 ELSE 100 * (e3 / before - 1) END END AS trix
FROM steps;
