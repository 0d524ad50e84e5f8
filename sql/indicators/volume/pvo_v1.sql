/* ---
name: pvo
version: 1
title: Percentage volume oscillator.
status: active
grain: one row per symbol and date
params: {fast: 12, slow: 26, signal: 9}
columns: [volume]
returns: [pvo, pvo_signal, pvo_hist]
scale: {pvo: 100, pvo_signal: 100, pvo_hist: 100}
units: {pvo: percent, pvo_signal: percent, pvo_hist: percent}
warmup: slow + signal - 2
lookback: slow + signal - 2 + 14 * (slow + 1)
formula: pvo = 100 * (ema(fast) - ema(slow)) / ema(slow) of the volume, in per cent, 0 where ema(slow) is 0; pvo_signal =
  ema(signal) of pvo; pvo_hist = pvo - pvo_signal; each average starts with the mean of its first values
difference: 3e-15
reference: equal to TA-Lib PVO with exponential averages, and to Skender's PVO; both return pvo from bar
  slow - 1 on, and TA-Lib has no signal
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO pvo_v1(src, fast, slow, signal) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(volume AS DOUBLE) AS v, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(volume) AND at_least_v1(fast, 2, 'fast of pvo') AND at_least_v1(signal, 2, 'signal of pvo')
        AND at_least_v1(slow, fast + 1, 'slow of pvo')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
averages AS (
    SELECT symbol, date, k, ema_of_v1(v, fast, fast - 1, k) AS fast_v, ema_of_v1(v, slow, slow - 1, k) AS slow_v
    FROM bars
),
lines AS (
    SELECT symbol, date, k, CASE WHEN slow_v = 0 THEN 0e0 ELSE 100 * (fast_v - slow_v) / slow_v END AS line
    FROM averages
),
signals AS (
    SELECT symbol, date, k, line, ema_of_v1(line, signal, slow + signal - 2, k) AS average
    FROM lines
)
SELECT symbol, date,
    CASE WHEN k >= slow + signal - 2 THEN line END AS pvo, average AS pvo_signal, line - average AS pvo_hist
FROM signals;
