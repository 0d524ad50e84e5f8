/* ---
name: vortex
version: 1
title: Vortex indicator.
status: active
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close]
returns: [vortex_plus, vortex_minus]
units: {vortex_plus: ratio, vortex_minus: ratio}
warmup: n
lookback: n
formula: "vortex_plus = sum of |high - previous low| and vortex_minus = sum of |low - previous high| over the last n
  bars, divided by the sum of the true range (as in atr); 0 where that is 0"
difference: 2e-14
reference: E. Botes and D. Siepman, The Vortex Indicator, Technical Analysis of Stocks & Commodities (2010); equal to
  TA-Lib VORTEX and Skender.Stock.Indicators
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO vortex_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        lag(CAST(close AS DOUBLE)) OVER w AS before,
        abs(CAST(high AS DOUBLE) - lag(CAST(low AS DOUBLE)) OVER w) AS up,
        abs(CAST(low AS DOUBLE) - lag(CAST(high AS DOUBLE)) OVER w) AS down
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
        AND at_least_v1(n, 2, 'the period n of vortex')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moves AS (
    SELECT symbol, date, k, up, down, true_range_v1(h, l, before) AS true_range
    FROM bars
),
sums AS (
    SELECT symbol, date, k, sum(up) OVER w AS up, sum(down) OVER w AS down, sum(true_range) OVER w AS true_range
    FROM moves
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n THEN CASE WHEN true_range = 0 THEN 0e0 ELSE up / true_range END END AS vortex_plus,
    CASE WHEN k >= n THEN CASE WHEN true_range = 0 THEN 0e0 ELSE down / true_range END END AS vortex_minus
FROM sums;
