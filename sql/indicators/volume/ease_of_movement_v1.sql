/* ---
name: ease_of_movement
version: 1
aliases: [eom, emv]
title: Ease of movement.
status: active
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, volume]
returns: [ease_of_movement]
scale: {ease_of_movement: price}
units: {ease_of_movement: "squared money per share, per 100 million shares"}
warmup: n
lookback: n
formula: mean over the last n bars of 1e8 * move * (high - low) / volume, where move = (high + low) / 2 - that of the bar
  before; in squared price units per 100 million shares; a bar without volume counts as 0
difference: 2e-14
reference: R. Arms, Volume Cycles in the Stock Market (1983); equal to pandas-ta eom with its default divisor;
  TradingView's EOM counts 10,000 shares, so that it is 1e-4 times as large
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO ease_of_movement_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(volume AS DOUBLE) AS v,
        CAST(high AS DOUBLE) - CAST(low AS DOUBLE) AS span,
        (CAST(high AS DOUBLE) + CAST(low AS DOUBLE)) / 2e0 AS middle,
        (lag(CAST(high AS DOUBLE)) OVER w + lag(CAST(low AS DOUBLE)) OVER w) / 2e0 AS before
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(volume)
        AND at_least_v1(n, 2, 'the period n of ease_of_movement')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moves AS (
    SELECT symbol, date, k, CASE WHEN k > 0 AND v > 0 THEN 1e8 * (middle - before) * span / v ELSE 0e0 END AS ease
    FROM bars
)
SELECT symbol, date, CASE WHEN k >= n THEN avg(ease) OVER w END AS ease_of_movement
FROM moves
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
