/* ---
name: awesome
version: 1
aliases: [ao]
title: Awesome oscillator.
status: active
grain: one row per symbol and date
params: {fast: 5, slow: 34}
columns: [high, low]
returns: [awesome]
price_like: [awesome]
scale: {awesome: price}
warmup: slow - 1
lookback: slow - 1
formula: sma(fast) - sma(slow) of (high + low) / 2
difference: 2e-14
reference: B. Williams, New Trading Dimensions (1998); equal to TA-Lib AO and Skender.Stock.Indicators
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO awesome_v1(src, fast, slow) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, (CAST(high AS DOUBLE) + CAST(low AS DOUBLE)) / 2e0 AS x
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND at_least_v1(fast, 2, 'fast of awesome')
        AND at_least_v1(slow, fast + 1, 'slow of awesome')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN k >= slow - 1 THEN avg(x) OVER f - avg(x) OVER s END AS awesome
FROM bars
WINDOW f AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN fast - 1 PRECEDING AND CURRENT ROW),
    s AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN slow - 1 PRECEDING AND CURRENT ROW);
