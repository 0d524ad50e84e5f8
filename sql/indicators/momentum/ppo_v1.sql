/* ---
name: ppo
version: 1
title: Percentage price oscillator.
status: active
grain: one row per symbol and date
params: {fast: 12, slow: 26, signal: 9, value: close}
columns: [value]
returns: [ppo, ppo_signal, ppo_hist]
scale: {ppo: 100, ppo_signal: 100, ppo_hist: 100}
units: {ppo: percent, ppo_signal: percent, ppo_hist: percent}
warmup: slow + signal - 2
lookback: slow + signal - 2 + 36 * (slow + signal)
formula: ppo = 100 * (ema(fast) - ema(slow)) / ema(slow), 0 where ema(slow) is 0; ppo_signal = ema(signal) of ppo;
  ppo_hist = ppo - ppo_signal; each average starts with the mean of its first values
difference: 2e-15
reference: G. Appel; ppo is equal to TA-Lib PPO with exponential averages; apo is the difference that is not divided
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO ppo_v1(src, fast, slow, signal, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(fast, 2, 'fast of ppo') AND at_least_v1(signal, 2, 'signal of ppo')
        AND at_least_v1(slow, fast + 1, 'slow of ppo')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
averages AS (
    SELECT symbol, date, k, ema_of_v1(x, fast, fast - 1, k) AS quick, ema_of_v1(x, slow, slow - 1, k) AS base
    FROM bars
),
lines AS (
    SELECT symbol, date, k, CASE WHEN base = 0 THEN 0e0 ELSE 100 * (quick - base) / base END AS line
    FROM averages
),
signals AS (
    SELECT symbol, date, line, ema_of_v1(line, signal, slow + signal - 2, k) AS average
    FROM lines
)
SELECT symbol, date, line AS ppo, average AS ppo_signal, line - average AS ppo_hist
FROM signals;
