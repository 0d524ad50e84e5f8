/* ---
name: smma
version: 1
aliases: [rma]
title: Smoothed moving average, which is Wilder's.
status: active
grain: one row per symbol and date
params: {n: 14, value: close}
columns: [value]
returns: [smma]
price_like: [smma]
warmup: n - 1
lookback: n - 1 + 28 * n
formula: smma = previous smma + (value - previous smma) / n, starting with the mean of the first n values
difference: 2e-15
reference: J. W. Wilder, New Concepts in Technical Trading Systems (1978); equal to TA-Lib RMA, whose default n is 30,
  and to Skender.Stock.Indicators; TradingView and pandas-ta call it rma
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO smma_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of smma')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, wilder_of_v1(x, n, n - 1, k) AS smma
FROM bars;
