/* ---
name: cci
version: 1
title: Commodity channel index.
status: active
grain: one row per symbol and date
params: {n: 20}
columns: [high, low, close]
returns: [cci]
warmup: n - 1
lookback: n - 1
formula: "(price - mean) / (0.015 * mean distance of the last n prices from their mean), price = (high + low + close) / 3;
  0 where none is farther off than rounding"
difference: 7e-13
reference: D. Lambert, Commodity Channel Index, Commodities (1980); TA-Lib CCI, whose own default is 14; a list of n prices a
  bar, as their distances are from a mean that differs for each bar, so the wide query joins it by macro
changes:
  - 2026-11-21 first version
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
