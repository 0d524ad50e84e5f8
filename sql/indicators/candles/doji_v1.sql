/* ---
name: doji
version: 1
aliases: [cdldoji, cdl_doji]
title: "Candlestick pattern: doji."
status: active
grain: one row per symbol and date
params: {}
columns: [open, high, low, close]
returns: [doji]
scale: {doji: 100}
units: {doji: 100 or 0}
warmup: 10
lookback: 10
formula: 100 where the body |close - open| is at most a tenth of the mean range (high - low) of the 10 bars before, else 0;
  differences of 1e-13 * high are rounding errors and count as ties
difference: 1e-15
reference: equal to TA-Lib CDLDOJI with its default settings, except that TA-Lib decides ties by rounding; Skender's and
  TradingView's limits are shares of the bar's own range
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO doji_v1(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(open AS DOUBLE) AS o, CAST(high AS DOUBLE) AS h,
        CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(open) AND is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
shapes AS (
    SELECT symbol, date, k, abs(x - o) AS body, h - l AS span, 1e-13 * abs(h) AS tie
    FROM bars
),
averages AS (
    SELECT symbol, date, k, body, tie, avg(span) OVER ten AS mean_span
    FROM shapes
    WINDOW ten AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
),
limits AS (
    SELECT symbol, date, k, body, tie, 1e-1 * lag(mean_span) OVER (PARTITION BY symbol ORDER BY date) AS doji_body
    FROM averages
)
SELECT symbol, date, CASE WHEN k >= 10 THEN CASE WHEN body <= doji_body + tie THEN 100e0 ELSE 0e0 END END AS doji
FROM limits;
