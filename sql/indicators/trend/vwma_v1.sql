/* ---
name: vwma
version: 1
title: Volume-weighted moving average.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value, volume]
returns: [vwma]
price_like: [vwma]
warmup: n - 1
lookback: n - 1
formula: sum of value * volume, divided by the sum of volume, over the last n bars; NULL where the volume is 0
difference: 6e-15
reference: equal to TA-Lib VWMA, whose default n is 30, and to Skender.Stock.Indicators; see vwap_rolling for the
  average of the typical price
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO vwma_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(volume AS DOUBLE) AS v,
        CAST(value AS DOUBLE) * CAST(volume AS DOUBLE) AS traded
    FROM query_table(src)
    WHERE is_finite_v1(value) AND is_finite_v1(volume) AND at_least_v1(n, 2, 'the period n of vwma')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN sum(traded) OVER w / nullif(sum(v) OVER w, 0) END AS vwma
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
