/* ---
name: macd
version: 1
title: Moving average convergence/divergence.
status: superseded
grain: one row per symbol and date
params: {fast: 12, slow: 26, signal: 9, value: close}
columns: [value]
returns: [macd, macd_signal, macd_hist]
warmup: slow + signal - 2
lookback: slow + signal - 2 + 14 * (slow + 1)
formula: macd = ema(fast) - ema(slow), both starting at bar slow - 1 with the mean of their last values; macd_signal =
  ema(signal) of macd; macd_hist = macd - macd_signal
difference: 5e-15
reference: equal to TA-Lib MACD
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO macd_v1(src, fast, slow, signal, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE value IS NOT NULL AND at_least_v1(fast, 2, 'fast of macd') AND at_least_v1(signal, 2, 'signal of macd')
        AND at_least_v1(slow, fast + 1, 'slow of macd')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
weighted AS (
    -- The first ones weigh so much that they come to their mean at bar slow; see ema_v1.
    SELECT symbol, date, k,
        CASE WHEN k >= slow THEN x * (2e0 / (fast + 1)) WHEN k < slow - fast THEN 0e0
            ELSE x * pow(1 - 2e0 / (fast + 1), k - slow + 1) / fast END AS f,
        CASE WHEN k >= slow THEN x * (2e0 / (slow + 1))
            ELSE x * pow(1 - 2e0 / (slow + 1), k - slow + 1) / slow END AS s
    FROM bars
),
lines AS (
    SELECT symbol, date, k,
        decayed_v1(f, 1 - 2e0 / (fast + 1), k) - decayed_v1(s, 1 - 2e0 / (slow + 1), k) AS line
    FROM weighted
),
signals AS (
    SELECT symbol, date, k, line,
        CASE WHEN k >= slow + signal - 1 THEN line * (2e0 / (signal + 1)) WHEN k < slow - 1 THEN 0e0
            ELSE line * pow(1 - 2e0 / (signal + 1), k - slow - signal + 2) / signal END AS x
    FROM lines
),
averaged AS (
    SELECT symbol, date, k, line, decayed_v1(x, 1 - 2e0 / (signal + 1), k) AS average FROM signals
)
SELECT symbol, date,
    CASE WHEN k >= slow + signal - 2 THEN line END AS macd,
    CASE WHEN k >= slow + signal - 2 THEN average END AS macd_signal,
    CASE WHEN k >= slow + signal - 2 THEN line - average END AS macd_hist
FROM averaged;
