/* ---
name: chandelier
version: 1
aliases: [chandelier_exit]
title: Chandelier exit.
status: active
grain: one row per symbol and date
params: {n: 22, multiplier: 3}
columns: [high, low, close]
returns: [chandelier_long, chandelier_short]
price_like: [chandelier_long, chandelier_short]
warmup: n
lookback: n + 28 * n
formula: chandelier_long = highest high of the last n bars - multiplier * atr(n); chandelier_short = their lowest low +
  multiplier * atr(n)
difference: 1e-15
reference: C. Le Beau; equal to Skender.Stock.Indicators; TradingView's Chandelier Exit of everget takes closes, and
  keeps the stop while the trend lasts
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO chandelier_v1(src, n, multiplier) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
        AND at_least_v1(n, 2, 'the period n of chandelier')
        AND not_negative_v1(multiplier, 'the multiplier of chandelier')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k, h, l, true_range_v1(h, l, before) AS true_range
    FROM bars
),
extremes AS (
    SELECT symbol, date, max(h) OVER w AS highest, min(l) OVER w AS lowest,
        multiplier * wilder_of_v1(true_range, n, n, k) AS distance
    FROM ranges
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date, highest - distance AS chandelier_long, lowest + distance AS chandelier_short
FROM extremes;
