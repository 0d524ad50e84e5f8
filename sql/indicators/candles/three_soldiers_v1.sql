/* ---
name: three_soldiers
version: 1
aliases: [cdl3whitesoldiers, cdl_3whitesoldiers]
title: "Candlestick pattern: three white soldiers."
status: active
grain: one row per symbol and date
params: {}
columns: [open, high, low, close]
returns: [three_soldiers]
scale: {three_soldiers: 100}
units: {three_soldiers: 100 or 0}
warmup: 12
lookback: 12
formula: 100 where three rises (close >= open) in a row close higher and higher, each opens above the open of the one before
  and at most near its close, none has an upper shadow of a tenth of the mean range (high - low) of the 10 bars before or
  a body far shorter than the one before, and the last body |close - open| is longer than the mean body of the 10 bars
  before; else 0; near and far are 0.2 and 0.6 of the mean range of the 5 bars before the earlier of the two bars;
  differences of 1e-13 * high are rounding errors and count as ties
difference: 1e-15
reference: equal to TA-Lib CDL3WHITESOLDIERS with its default settings, except that TA-Lib decides ties of averages by rounding
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO three_soldiers_v1(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(open AS DOUBLE) AS o, CAST(high AS DOUBLE) AS h,
        CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(open) AND is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
shapes AS (
    SELECT symbol, date, k, o, x, h - l AS span, x - o AS rise, abs(x - o) AS body, h - greatest(o, x) AS upper_shadow,
        1e-13 * abs(h) AS tie
    FROM bars
),
averages AS (
    SELECT symbol, date, k, o, x, rise, body, upper_shadow, tie, avg(body) OVER ten AS mean_body,
        avg(span) OVER ten AS mean_span, avg(span) OVER five AS recent_span
    FROM shapes
    WINDOW ten AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 9 PRECEDING AND CURRENT ROW),
        five AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 4 PRECEDING AND CURRENT ROW)
),
-- is_soldier: the bar alone could be part of the pattern; follows: it could also come after the bar before.
limits AS (
    SELECT symbol, date, k, o, x, rise, body, upper_shadow, tie, lag(mean_body) OVER w AS short_body,
        1e-1 * lag(mean_span) OVER w AS short_shadow, lag(o) OVER w AS o_1, lag(x) OVER w AS x_1,
        lag(body) OVER w AS body_1, lag(recent_span, 2) OVER w AS span_1
    FROM averages
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
conditions AS (
    SELECT symbol, date, k, CASE WHEN body > short_body + tie THEN 1e0 ELSE 0e0 END AS is_long,
        CASE WHEN rise >= 0 AND upper_shadow < short_shadow - tie THEN 1e0 ELSE 0e0 END AS is_soldier,
        CASE WHEN x > x_1 AND o > o_1 AND o <= x_1 + 2e-1 * span_1 + tie AND body > body_1 - 6e-1 * span_1 + tie
            THEN 1e0 ELSE 0e0 END AS follows
    FROM limits
)
SELECT symbol, date,
    CASE WHEN k >= 12 THEN 100 * is_long * is_soldier * follows * lag(is_soldier) OVER w * lag(follows) OVER w
        * lag(is_soldier, 2) OVER w END AS three_soldiers
FROM conditions
WINDOW w AS (PARTITION BY symbol ORDER BY date);
