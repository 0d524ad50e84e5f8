/* ---
name: alma
version: 1
title: Arnaud Legoux's moving average.
status: active
grain: one row per symbol and date
params: {n: 9, center: 0.85, sigma: 6, value: close}
columns: [value]
returns: [alma]
price_like: [alma]
warmup: n - 1
lookback: n - 1
formula: "mean of the last n values with the weights of a bell curve: the weight of value i, of which n - 1 is the
  newest, is exp(-(i - center * (n - 1))^2 / (2 * (n / sigma)^2)); center 1 is the newest value, 0 the oldest; sigma 0
  is sma(n)"
difference: 1e-15
reference: A. Legoux and D. Kouzis-Loukas (2009); equal to Skender.Stock.Indicators and TradingView, which call center
  offset. The weights are no recursion, so that each bar needs the list of its n values; the compiled query therefore
  joins this macro
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO alma_v1(src, n, center, sigma, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of alma')
        AND not_negative_v1(center, 'the center of alma') AND not_negative_v1(sigma, 'sigma of alma')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
lists AS (
    SELECT symbol, date, k, list(x) OVER w AS last
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n - 1 THEN
        list_sum(list_transform(last, LAMBDA one, i: one * exp(-pow((i - 1 - center * (n - 1)) * sigma / n, 2) / 2)))
        / list_sum(list_transform(last, LAMBDA one, i: exp(-pow((i - 1 - center * (n - 1)) * sigma / n, 2) / 2)))
    END AS alma
FROM lists;
