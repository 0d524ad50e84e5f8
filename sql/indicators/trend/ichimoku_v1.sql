/* ---
name: ichimoku
version: 1
title: Ichimoku cloud.
status: active
grain: one row per symbol and date
params: {conversion: 9, base: 26, slow: 52, displacement: 26}
columns: [high, low]
returns: [ichimoku_conversion, ichimoku_base, ichimoku_span_a, ichimoku_span_b]
price_like: [ichimoku_conversion, ichimoku_base, ichimoku_span_a, ichimoku_span_b]
warmup: greatest(base, slow) - 1 + displacement
lookback: greatest(base, slow) - 1 + displacement
formula: conversion and base (tenkan, kijun) = mean of highest high and lowest low of the last conversion or base bars;
  span_a and span_b of a day are the edges of the cloud that is drawn at this day, which are known since displacement
  bars before - span_a = mean of that bar's conversion and base, span_b = mean of highest high and lowest low of the slow
  bars up to that bar. The chikou span is a close drawn 26 bars before its day, which is no value that was known there,
  so that it is not a column; compare close with its lag instead
difference: 1e-15
reference: G. Hosoda; equal to Skender's Ichimoku (9, 26, 52); TradingView displaces by one bar less than its setting
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO ichimoku_v1(src, conversion, base, slow, displacement) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND at_least_v1(conversion, 2, 'conversion of ichimoku')
        AND at_least_v1(base, 2, 'base of ichimoku') AND at_least_v1(slow, 2, 'slow of ichimoku')
        AND at_least_v1(displacement, 1, 'displacement of ichimoku')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
lines AS (
    SELECT symbol, date,
        CASE WHEN k >= conversion - 1 THEN (max(h) OVER c + min(l) OVER c) / 2e0 END AS conversion_line,
        CASE WHEN k >= base - 1 THEN (max(h) OVER b + min(l) OVER b) / 2e0 END AS base_line,
        CASE WHEN k >= slow - 1 THEN (max(h) OVER s + min(l) OVER s) / 2e0 END AS slow_line
    FROM bars
    WINDOW c AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN conversion - 1 PRECEDING AND CURRENT ROW),
        b AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN base - 1 PRECEDING AND CURRENT ROW),
        s AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN slow - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date, conversion_line AS ichimoku_conversion, base_line AS ichimoku_base,
    (lag(conversion_line, displacement) OVER w + lag(base_line, displacement) OVER w) / 2e0 AS ichimoku_span_a,
    lag(slow_line, displacement) OVER w AS ichimoku_span_b
FROM lines
WINDOW w AS (PARTITION BY symbol ORDER BY date);
