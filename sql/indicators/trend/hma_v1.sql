/* ---
name: hma
version: 1
title: Hull's moving average.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [hma]
price_like: [hma]
warmup: n - 2 + CAST(floor(sqrt(n)) AS BIGINT)
lookback: n - 2 + CAST(floor(sqrt(n)) AS BIGINT)
formula: wma(sqrt(n)) of 2 * wma(n / 2) - wma(n), with sqrt(n) and n / 2 rounded down
difference: 2e-12
reference: A. Hull (2005); equal to TA-Lib HMA; Skender.Stock.Indicators rounds n / 2 in another way
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO hma_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of hma')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
-- The weighted mean of the last m values is (sum of k * value - (k - m) * sum of value) * 2 / (m * (m + 1)), as in
-- wma.
averages AS (
    SELECT symbol, date, k,
        (sum(k * x) OVER h - (k - floor(n / 2)) * sum(x) OVER h) * 2e0 / (floor(n / 2) * (floor(n / 2) + 1)) AS fast,
        (sum(k * x) OVER w - (k - n) * sum(x) OVER w) * 2e0 / (n * (n + 1)) AS slow
    FROM bars
    WINDOW h AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n // 2 - 1 PRECEDING AND CURRENT ROW),
        w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
lines AS (
    SELECT symbol, date, k, floor(sqrt(n)) AS m, CASE WHEN k >= n - 1 THEN 2 * fast - slow END AS line
    FROM averages
)
SELECT symbol, date,
    CASE WHEN k >= n - 2 + m
        THEN (sum(k * line) OVER w - (k - m) * sum(line) OVER w) * 2e0 / (m * (m + 1)) END AS hma
FROM lines
WINDOW w AS (
    PARTITION BY symbol ORDER BY date ROWS BETWEEN CAST(floor(sqrt(n)) AS BIGINT) - 1 PRECEDING AND CURRENT ROW
);
