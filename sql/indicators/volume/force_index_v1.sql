/* ---
name: force_index
version: 1
aliases: [efi]
title: Elder's force index.
status: active
grain: one row per symbol and date
params: {n: 13}
columns: [close, volume]
returns: [force_index]
price_like: [force_index]
scale: {force_index: volume}
units: {force_index: money}
warmup: n
lookback: n + 14 * (n + 1)
formula: exponential average with weight 2 / (n + 1) of (close - previous close) * volume, in price units times shares,
  starting at bar n with the mean of the first n products
difference: 1e-15
reference: A. Elder, Trading for a Living (1993); equal to TA-Lib EFI and to Skender's force index
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO force_index_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(volume AS DOUBLE) AS v,
        CAST(close AS DOUBLE) - lag(CAST(close AS DOUBLE)) OVER w AS change
    FROM query_table(src)
    WHERE is_finite_v1(close) AND is_finite_v1(volume) AND at_least_v1(n, 2, 'the period n of force_index')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
forces AS (
    SELECT symbol, date, k, CASE WHEN k > 0 THEN change * v ELSE 0e0 END AS impulse
    FROM bars
)
SELECT symbol, date, ema_of_v1(impulse, n, n, k) AS force_index
FROM forces;
