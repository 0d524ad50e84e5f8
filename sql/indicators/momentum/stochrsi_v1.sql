/* ---
name: stochrsi
version: 1
title: Stochastic oscillator of the relative strength index.
status: active
grain: one row per symbol and date
params: {n: 14, stoch_n: 14, smooth: 3, signal: 3, value: close}
columns: [value]
returns: [stochrsi_k, stochrsi_d]
scale: {stochrsi_k: 100, stochrsi_d: 100}
units: {stochrsi_k: 0 to 100, stochrsi_d: 0 to 100}
warmup: n + stoch_n + smooth + signal - 3
lookback: n + stoch_n + smooth + signal - 3 + 28 * n
formula: fast = 100 * (rsi - lowest rsi) / (highest rsi - lowest rsi) of the last stoch_n values of rsi(n), 0 where
  these differ by no more than rounding errors; stochrsi_k = sma(smooth) of fast; stochrsi_d = sma(signal) of
  stochrsi_k
difference: 3e-14
reference: T. Chande and S. Kroll, The New Technical Trader (1994); with smooth 1 equal to TA-Lib STOCHRSI, whose
  stoch_n is 5; as there, stochrsi_k is NULL where stochrsi_d is; the defaults are those of TradingView and pandas-ta
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO stochrsi_v1(src, n, stoch_n, smooth, signal, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k,
        CAST(value AS DOUBLE) - lag(CAST(value AS DOUBLE)) OVER w AS change
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of stochrsi')
        AND at_least_v1(stoch_n, 2, 'the period stoch_n of stochrsi') AND at_least_v1(smooth, 1, 'smooth of stochrsi')
        AND at_least_v1(signal, 1, 'signal of stochrsi')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moves AS (
    SELECT symbol, date, k,
        CASE WHEN change > 0 THEN change ELSE 0e0 END AS up, CASE WHEN change < 0 THEN -change ELSE 0e0 END AS down
    FROM bars
),
averages AS (
    SELECT symbol, date, k, wilder_of_v1(up, n, n, k) AS up, wilder_of_v1(down, n, n, k) AS down
    FROM moves
),
strengths AS (
    SELECT symbol, date, k, CASE WHEN up + down = 0 THEN 0e0 ELSE 100 * up / (up + down) END AS rsi
    FROM averages
),
extremes AS (
    SELECT symbol, date, k, rsi, max(rsi) OVER w AS highest, min(rsi) OVER w AS lowest
    FROM strengths
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN stoch_n - 1 PRECEDING AND CURRENT ROW)
),
places AS (
    SELECT symbol, date, k,
        CASE WHEN highest - lowest <= 1e-12 * highest THEN 0e0
            ELSE 100 * (rsi - lowest) / (highest - lowest) END AS fast
    FROM extremes
),
smoothed AS (
    SELECT symbol, date, k, avg(fast) OVER w AS slow
    FROM places
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN smooth - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n + stoch_n + smooth + signal - 3 THEN slow END AS stochrsi_k,
    CASE WHEN k >= n + stoch_n + smooth + signal - 3 THEN avg(slow) OVER w END AS stochrsi_d
FROM smoothed
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN signal - 1 PRECEDING AND CURRENT ROW);
