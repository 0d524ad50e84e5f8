/* ---
name: cci
version: 1
title: Commodity channel index.
status: superseded
grain: one row per symbol and date
params: {n: 20}
columns: [high, low, close]
returns: [cci]
warmup: n - 1
lookback: n - 1
formula: (price - mean) / (0.015 * mean absolute deviation from the mean), over the last n bars, with price = (high +
  low + close) / 3; 0 where the deviation is no more than rounding
difference: 7e-13
reference: D. Lambert, Commodity Channel Index, Commodities (1980); equal to TA-Lib CCI, whose default n is 14. Each
  bar needs the list of its n prices, because they deviate from a mean of its own; the compiled query therefore joins
  this macro
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO cci_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k,
        (CAST(high AS DOUBLE) + CAST(low AS DOUBLE) + CAST(close AS DOUBLE)) / 3e0 AS price
    FROM query_table(src)
    WHERE high IS NOT NULL AND low IS NOT NULL AND close IS NOT NULL AND at_least_v1(n, 2, 'the period n of cci')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
means AS (
    SELECT symbol, date, k, price, avg(price) OVER w AS mean, list(price) OVER w AS prices
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
distances AS (
    SELECT symbol, date, k, price, mean, list_avg(list_transform(prices, LAMBDA one: abs(one - mean))) AS distance FROM means
)
SELECT symbol, date,
    CASE WHEN k >= n - 1 THEN
        CASE WHEN distance <= 1e-14 * abs(mean) THEN 0e0 ELSE (price - mean) / (15e-3 * distance) END END AS cci
FROM distances;
