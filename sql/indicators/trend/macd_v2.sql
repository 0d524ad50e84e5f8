/* ---
name: macd
version: 2
title: Moving average convergence/divergence.
status: active
grain: one row per symbol and date
params: {fast: 12, slow: 26, signal: 9, value: close}
columns: [value]
returns: [macd, macd_signal, macd_hist]
price_like: [macd, macd_signal, macd_hist]
scale: {macd: price, macd_signal: price, macd_hist: price}
warmup: slow + signal - 2
lookback: slow + signal - 2 + 14 * (slow + 1)
formula: macd = ema(fast) - ema(slow), which both start at bar slow - 1, with the mean of the last fast or slow values;
  macd_signal = ema(signal) of macd; macd_hist = macd - macd_signal
difference: 5e-15
reference: equal to TA-Lib MACD
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; written with the kernel ema_of_v1
--- */
CREATE OR REPLACE MACRO macd_v2(src, fast, slow, signal, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(fast, 2, 'fast of macd') AND at_least_v1(signal, 2, 'signal of macd')
        AND at_least_v1(slow, fast + 1, 'slow of macd')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
lines AS (
    SELECT symbol, date, k, ema_of_v1(x, fast, slow - 1, k) - ema_of_v1(x, slow, slow - 1, k) AS line
    FROM bars
),
signals AS (
    SELECT symbol, date, k, line, ema_of_v1(line, signal, slow + signal - 2, k) AS average
    FROM lines
)
SELECT symbol, date,
    CASE WHEN k >= slow + signal - 2 THEN line END AS macd, average AS macd_signal, line - average AS macd_hist
FROM signals;
