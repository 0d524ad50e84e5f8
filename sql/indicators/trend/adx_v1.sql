/* ---
name: adx
version: 1
title: Average directional movement index.
status: superseded
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close]
returns: [adx, plus_di, minus_di]
warmup: 2 * n - 1
lookback: 2 * n - 1 + 72 * n
formula: "up and down = how far high and low went beyond the previous bar's, where only the larger counts; plus_di and
  minus_di = 100 * average up (down) / average true range, Wilder's averages whose first value, at bar n - 1, is over
  bars 1 to n - 1; adx = Wilder's average of 100 * |plus_di - minus_di| / (plus_di + minus_di); each is 0 where
  nothing has moved"
difference: 9e-15
reference: J. W. Wilder, New Concepts in Technical Trading Systems (1978); equal to TA-Lib ADX, PLUS_DI, MINUS_DI
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO adx_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        lag(CAST(close AS DOUBLE)) OVER w AS before,
        CAST(high AS DOUBLE) - lag(CAST(high AS DOUBLE)) OVER w AS up,
        lag(CAST(low AS DOUBLE)) OVER w - CAST(low AS DOUBLE) AS down
    FROM query_table(src)
    WHERE high IS NOT NULL AND low IS NOT NULL AND close IS NOT NULL AND at_least_v1(n, 2, 'the period n of adx')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moves AS (
    SELECT symbol, date, k,
        CASE WHEN k > 0 THEN greatest(h - l, abs(h - before), abs(l - before)) ELSE 0e0 END AS true_range,
        CASE WHEN up > 0 AND up > down THEN up ELSE 0e0 END AS up,
        CASE WHEN down > 0 AND down > up THEN down ELSE 0e0 END AS down
    FROM bars
),
seeded AS (
    SELECT symbol, date, k,
        CASE WHEN k < n - 1 THEN 0e0 WHEN k = n - 1 THEN sum(true_range) OVER w ELSE true_range END AS true_range,
        CASE WHEN k < n - 1 THEN 0e0 WHEN k = n - 1 THEN sum(up) OVER w ELSE up END AS up,
        CASE WHEN k < n - 1 THEN 0e0 WHEN k = n - 1 THEN sum(down) OVER w ELSE down END AS down
    FROM moves
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
summed AS (
    SELECT symbol, date, k, decayed_v1(true_range, 1 - 1e0 / n, k) AS true_range,
        decayed_v1(up, 1 - 1e0 / n, k) AS up, decayed_v1(down, 1 - 1e0 / n, k) AS down
    FROM seeded
),
directions AS (
    SELECT symbol, date, k,
        CASE WHEN true_range = 0 THEN 0e0 ELSE 100 * up / true_range END AS plus,
        CASE WHEN true_range = 0 THEN 0e0 ELSE 100 * down / true_range END AS minus,
        CASE WHEN up + down = 0 THEN 0e0 ELSE 100 * abs(up - down) / (up + down) END AS strength
    FROM summed
),
averages AS (
    SELECT symbol, date, k, plus, minus,
        CASE WHEN k < 2 * n - 1 THEN 0e0 WHEN k = 2 * n - 1 THEN avg(strength) OVER w ELSE strength / n END AS x
    FROM directions
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= 2 * n - 1 THEN decayed_v1(x, 1 - 1e0 / n, k) END AS adx,
    CASE WHEN k >= n THEN plus END AS plus_di,
    CASE WHEN k >= n THEN minus END AS minus_di
FROM averages;
