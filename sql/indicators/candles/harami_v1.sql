/* ---
name: harami
version: 1
aliases: [cdlharami, cdl_harami]
title: "Candlestick pattern: harami."
status: active
grain: one row per symbol and date
params: {}
columns: [open, high, low, close]
returns: [harami]
scale: {harami: 100}
units: {harami: "100, 80, -80, -100 or 0"}
warmup: 11
lookback: 11
formula: 100 where a long fall is followed by a short body inside it, -100 where a long rise (close >= open) is; 80 and -80
  where the bodies share an end; else 0; a body |close - open| is long (short) if it is longer (not longer) than the mean
  body of the 10 bars before it; differences of 1e-13 * high are rounding errors and count as ties
difference: 1e-15
reference: equal to TA-Lib CDLHARAMI with its default settings, except that TA-Lib decides ties of averages by rounding
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO harami_v1(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(open AS DOUBLE) AS o, CAST(high AS DOUBLE) AS h,
        CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(open) AND is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
shapes AS (
    SELECT symbol, date, k, abs(x - o) AS body, greatest(o, x) AS top, least(o, x) AS bottom, 1e-13 * abs(h) AS tie,
        CASE WHEN x >= o THEN 1e0 ELSE -1e0 END AS colour
    FROM bars
),
averages AS (
    SELECT symbol, date, k, body, top, bottom, tie, colour, avg(body) OVER ten AS mean_body
    FROM shapes
    WINDOW ten AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
),
limits AS (
    SELECT symbol, date, k, body, top, bottom, tie, colour, lag(mean_body) OVER (PARTITION BY symbol ORDER BY date) AS usual
    FROM averages
),
pairs AS (
    SELECT symbol, date, k, body, top, bottom, tie, usual, lag(top) OVER w AS top_1, lag(bottom) OVER w AS bottom_1,
        lag(colour) OVER w AS colour_1, lag(body - usual) OVER w AS excess_1
    FROM limits
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date,
    CASE WHEN k >= 11 THEN CASE
        WHEN excess_1 <= tie OR body > usual + tie OR top > top_1 OR bottom < bottom_1 THEN 0e0
        WHEN top < top_1 AND bottom > bottom_1 THEN -100 * colour_1
        ELSE -80 * colour_1 END END AS harami
FROM pairs;
