/* ---
name: tsi
version: 1
title: True strength index.
status: active
grain: one row per symbol and date
params: {slow: 25, fast: 13, signal: 7, value: close}
columns: [value]
returns: [tsi, tsi_signal]
scale: {tsi: 100, tsi_signal: 100}
units: {tsi: "-100 to 100", tsi_signal: "-100 to 100"}
warmup: slow + fast + signal - 2
lookback: slow + fast + signal - 2 + 36 * (slow + fast + signal)
formula: "100 * ema(fast) of ema(slow) of the changes of value, divided by the same average of their absolute values; 0
  where the value has never changed; tsi_signal = ema(signal) of tsi; each average starts with the mean of its first
  values"
difference: 1e-15
reference: W. Blau, True Strength Index, Technical Analysis of Stocks & Commodities (1991); tsi is equal to TA-Lib TSI,
  and both are to Skender.Stock.Indicators; the signal of TradingView and pandas-ta is 13
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO tsi_v1(src, slow, fast, signal, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k,
        CAST(value AS DOUBLE) - lag(CAST(value AS DOUBLE)) OVER w AS change
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(slow, 2, 'slow of tsi') AND at_least_v1(fast, 2, 'fast of tsi')
        AND at_least_v1(signal, 2, 'signal of tsi')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
once AS (
    SELECT symbol, date, k, ema_of_v1(change, slow, slow, k) AS net, ema_of_v1(abs(change), slow, slow, k) AS total
    FROM bars
),
twice AS (
    SELECT symbol, date, k,
        ema_of_v1(net, fast, slow + fast - 1, k) AS net, ema_of_v1(total, fast, slow + fast - 1, k) AS total
    FROM once
),
lines AS (
    SELECT symbol, date, k, CASE WHEN total = 0 THEN 0e0 ELSE 100 * net / total END AS line
    FROM twice
)
SELECT symbol, date, line AS tsi, ema_of_v1(line, signal, slow + fast + signal - 2, k) AS tsi_signal
FROM lines;
