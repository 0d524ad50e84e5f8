/* ---
name: bollinger
version: 2
aliases: [bbands, bb]
title: Bollinger bands.
status: active
grain: one row per symbol and date
params: {n: 20, deviations: 2, value: close}
columns: [value]
returns: [bollinger_upper, bollinger_middle, bollinger_lower, bollinger_percent, bollinger_width]
price_like: [bollinger_upper, bollinger_middle, bollinger_lower]
scale: {bollinger_percent: 1}
units: {bollinger_percent: "ratio, 0 at the lower and 1 at the upper band", bollinger_width: ratio to the middle band}
warmup: n - 1
lookback: n - 1
formula: middle = sma(n); upper and lower = middle ± deviations * population standard deviation of the last n values;
  percent = (value - lower) / (upper - lower), NULL where the bands meet; width = (upper - lower) / middle
difference: 3e-11
reference: J. Bollinger, Bollinger on Bollinger Bands (2001); equal to TA-Lib BBANDS
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; the parameter width is called deviations
--- */
CREATE OR REPLACE MACRO bollinger_v2(src, n, deviations, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of bollinger')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
spread AS (
    SELECT symbol, date, x,
        CASE WHEN k >= n - 1 THEN avg(x) OVER w END AS middle,
        CASE WHEN k >= n - 1 THEN deviations * stddev_pop(x) OVER w END AS distance
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    middle + distance AS bollinger_upper,
    middle AS bollinger_middle,
    middle - distance AS bollinger_lower,
    (x - middle + distance) / nullif(2 * distance, 0) AS bollinger_percent,
    2 * distance / nullif(middle, 0) AS bollinger_width
FROM spread;
