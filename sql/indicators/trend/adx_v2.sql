/* ---
name: adx
version: 2
title: Average directional movement index.
status: active
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close]
returns: [adx, plus_di, minus_di]
scale: {plus_di: 100, minus_di: 100}
units: {adx: 0 to 100, plus_di: 0 to 100, minus_di: 0 to 100}
warmup: 2 * n - 1
lookback: 2 * n - 1 + 72 * n
formula: "up = high - previous high, down = previous low - low; the smaller of the two and a negative one count as 0;
  plus_di and minus_di = 100 * average up (down) / average true range, with Wilder's averages that start at bar n - 1
  with the mean of n values, that of bar 0 being 0; adx = Wilder's average of 100 * |plus_di - minus_di| / (plus_di +
  minus_di); each is 0 where nothing has moved"
difference: 9e-15
reference: J. W. Wilder, New Concepts in Technical Trading Systems (1978); equal to TA-Lib ADX, PLUS_DI, MINUS_DI
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; written with the kernel wilder_of_v1
--- */
CREATE OR REPLACE MACRO adx_v2(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        lag(CAST(close AS DOUBLE)) OVER w AS before,
        CAST(high AS DOUBLE) - lag(CAST(high AS DOUBLE)) OVER w AS up,
        lag(CAST(low AS DOUBLE)) OVER w - CAST(low AS DOUBLE) AS down
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND at_least_v1(n, 2, 'the period n of adx')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moves AS (
    SELECT symbol, date, k, true_range_v1(h, l, before) AS true_range,
        CASE WHEN up > 0 AND up > down THEN up ELSE 0e0 END AS up,
        CASE WHEN down > 0 AND down > up THEN down ELSE 0e0 END AS down
    FROM bars
),
averages AS (
    -- Bar 0 has no previous bar: its moves and its true range are 0.
    SELECT symbol, date, k, wilder_of_v1(true_range, n, n - 1, k) AS true_range,
        wilder_of_v1(up, n, n - 1, k) AS up, wilder_of_v1(down, n, n - 1, k) AS down
    FROM moves
),
directions AS (
    SELECT symbol, date, k,
        CASE WHEN true_range = 0 THEN 0e0 ELSE 100 * up / true_range END AS plus,
        CASE WHEN true_range = 0 THEN 0e0 ELSE 100 * down / true_range END AS minus,
        CASE WHEN up + down = 0 THEN 0e0 ELSE 100 * abs(up - down) / (up + down) END AS strength
    FROM averages
)
SELECT symbol, date, wilder_of_v1(strength, n, 2 * n - 1, k) AS adx,
    CASE WHEN k >= n THEN plus END AS plus_di, CASE WHEN k >= n THEN minus END AS minus_di
FROM directions;
