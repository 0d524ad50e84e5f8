/* ---
name: cci
version: 2
title: Commodity channel index.
status: active
grain: one row per symbol and date
params: {n: 20}
columns: [high, low, close]
returns: [cci]
scale: {cci: 100}
units: {cci: "ratio, mostly -100 to 100"}
warmup: n - 1
lookback: n - 1
formula: (price - mean) / (0.015 * mean absolute deviation from the mean), over the last n bars, with price = (high +
  low + close) / 3; 0 where the deviation is no larger than rounding errors
difference: 7e-13
reference: D. Lambert, Commodity Channel Index, Commodities (1980); equal to TA-Lib CCI, whose default n is 14. The mean
  differs per bar, so that each bar needs the list of its n prices; the compiled query therefore joins this macro
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO cci_v2(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k,
        (CAST(high AS DOUBLE) + CAST(low AS DOUBLE) + CAST(close AS DOUBLE)) / 3e0 AS price
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND at_least_v1(n, 2, 'the period n of cci')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
means AS (
    SELECT symbol, date, k, price, avg(price) OVER w AS mean, list(price) OVER w AS prices
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
deviations AS (
    SELECT symbol, date, k, price, mean,
        list_avg(list_transform(prices, LAMBDA one: abs(one - mean))) AS deviation
    FROM means
)
SELECT symbol, date,
    CASE WHEN k >= n - 1 THEN
        CASE WHEN deviation <= 1e-14 * abs(mean) THEN 0e0 ELSE (price - mean) / (15e-3 * deviation) END END AS cci
FROM deviations;
