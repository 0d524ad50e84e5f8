/* ---
name: hammer
version: 1
aliases: [cdlhammer, cdl_hammer]
title: "Candlestick pattern: hammer."
status: active
grain: one row per symbol and date
params: {}
columns: [open, high, low, close]
returns: [hammer]
scale: {hammer: 100}
units: {hammer: 100 or 0}
warmup: 11
lookback: 11
formula: 100 where the body |close - open| is shorter than the mean body of the 10 bars before, the lower shadow longer than
  the body, the upper shadow shorter than a tenth of the mean range (high - low) of the 10 bars before, and the body's lower
  end at most a fifth of the mean range of the 5 bars before the previous bar above that bar's low; else 0; differences of
  1e-13 * high are rounding errors and count as ties. Whether prices fell before is left to the user, as in TA-Lib
difference: 1e-15
reference: equal to TA-Lib CDLHAMMER with its default settings, except that TA-Lib decides ties by rounding
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO hammer_v1(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(open AS DOUBLE) AS o, CAST(high AS DOUBLE) AS h,
        CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(open) AND is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
shapes AS (
    SELECT symbol, date, k, l, h - l AS span, abs(x - o) AS body, h - greatest(o, x) AS upper_shadow,
        least(o, x) - l AS lower_shadow, least(o, x) AS bottom, 1e-13 * abs(h) AS tie
    FROM bars
),
averages AS (
    SELECT symbol, date, k, l, body, upper_shadow, lower_shadow, bottom, tie,
        avg(body) OVER ten AS mean_body, avg(span) OVER ten AS mean_span, avg(span) OVER five AS recent_span
    FROM shapes
    WINDOW ten AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 9 PRECEDING AND CURRENT ROW),
        five AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 4 PRECEDING AND CURRENT ROW)
),
limits AS (
    SELECT symbol, date, k, body, upper_shadow, lower_shadow, bottom, tie, lag(mean_body) OVER w AS short_body,
        1e-1 * lag(mean_span) OVER w AS short_shadow, lag(l) OVER w + 2e-1 * lag(recent_span, 2) OVER w AS near_low
    FROM averages
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date,
    CASE WHEN k >= 11 THEN CASE WHEN body < short_body - tie AND lower_shadow > body + tie
        AND upper_shadow < short_shadow - tie AND bottom <= near_low + tie THEN 100e0 ELSE 0e0 END END AS hammer
FROM limits;
