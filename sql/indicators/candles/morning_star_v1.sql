/* ---
name: morning_star
version: 1
aliases: [cdlmorningstar, cdl_morningstar]
title: "Candlestick pattern: morning star."
status: active
grain: one row per symbol and date
params: {penetration: 0.3}
columns: [open, high, low, close]
returns: [morning_star]
scale: {morning_star: 100}
units: {morning_star: 100 or 0}
warmup: 12
lookback: 12
formula: 100 where a long fall is followed by a short body that is wholly below it, and that by a rise (close >= open) with
  a long body, whose close is above the fall's close by more than penetration times the fall's body; else 0; a body
  |close - open| is long (short) if it is longer (not longer) than the mean body of the 10 bars before it; differences of
  1e-13 * high are rounding errors and count as ties
difference: 1e-15
reference: equal to TA-Lib CDLMORNINGSTAR with its default settings, except that TA-Lib decides ties of averages by rounding
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO morning_star_v1(src, penetration) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(open AS DOUBLE) AS o, CAST(high AS DOUBLE) AS h,
        CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(open) AND is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
        AND not_negative_v1(penetration, 'penetration of morning_star')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
shapes AS (
    SELECT symbol, date, k, o, x, abs(x - o) AS body, greatest(o, x) AS top, least(o, x) AS bottom, 1e-13 * abs(h) AS tie
    FROM bars
),
averages AS (
    SELECT symbol, date, k, o, x, body, top, bottom, tie, avg(body) OVER ten AS mean_body
    FROM shapes
    WINDOW ten AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
),
lengths AS (
    SELECT symbol, date, k, o, x, body, top, bottom, tie,
        body - lag(mean_body) OVER (PARTITION BY symbol ORDER BY date) AS excess
    FROM averages
),
triples AS (
    SELECT symbol, date, k, o, x, excess, tie, lag(top) OVER w AS top_1, lag(bottom) OVER w AS bottom_1,
        lag(excess) OVER w AS excess_1, lag(o, 2) OVER w AS o_2, lag(x, 2) OVER w AS x_2, lag(body, 2) OVER w AS body_2,
        lag(top, 2) OVER w AS top_2, lag(bottom, 2) OVER w AS bottom_2, lag(excess, 2) OVER w AS excess_2
    FROM lengths
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date,
    CASE WHEN k >= 12 THEN CASE
        WHEN excess_2 > tie AND x_2 < o_2
            AND excess_1 <= tie AND top_1 < bottom_2
            AND excess > tie AND x >= o AND x > x_2 + penetration * body_2 + tie
        THEN 100e0 ELSE 0e0 END END AS morning_star
FROM triples;
