/* ---
name: bollinger
version: 1
title: Bollinger bands.
status: superseded
grain: one row per symbol and date
params: {n: 20, width: 2, value: close}
columns: [value]
returns: [bollinger_upper, bollinger_middle, bollinger_lower, bollinger_percent, bollinger_width]
warmup: n - 1
lookback: n - 1
formula: middle = sma(n); upper and lower = middle ± width * population standard deviation of the last n values;
  percent = (value - lower) / (upper - lower), NULL where the bands meet; width = (upper - lower) / middle
difference: 3e-11
reference: J. Bollinger, Bollinger on Bollinger Bands (2001); equal to TA-Lib BBANDS
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO bollinger_v1(src, n, width, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE value IS NOT NULL AND at_least_v1(n, 2, 'the period n of bollinger')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
spread AS (
    SELECT symbol, date, x,
        CASE WHEN k >= n - 1 THEN avg(x) OVER w END AS middle,
        CASE WHEN k >= n - 1 THEN width * stddev_pop(x) OVER w END AS deviation
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    middle + deviation AS bollinger_upper,
    middle AS bollinger_middle,
    middle - deviation AS bollinger_lower,
    (x - middle + deviation) / nullif(2 * deviation, 0) AS bollinger_percent,
    2 * deviation / nullif(middle, 0) AS bollinger_width
FROM spread;
