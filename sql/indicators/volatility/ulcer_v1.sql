/* ---
name: ulcer
version: 1
aliases: [ui]
title: Ulcer index.
status: active
grain: one row per symbol and date
params: {n: 14, value: close}
columns: [value]
returns: [ulcer]
scale: {ulcer: 1}
units: {ulcer: percent}
warmup: 2 * n - 2
lookback: 2 * n - 2
formula: square root of the mean of the last n squared drawdowns, where drawdown = 100 * (value / highest of the last n
  values
  - 1), 0 where that is 0
difference: 1e-15
reference: P. Martin and B. McCann, The Investor's Guide to Fidelity Funds (1989); equal to TradingView and pandas-ta;
  Skender.Stock.Indicators looks for the highest value only among the bars of the mean
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO ulcer_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of ulcer')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
highs AS (
    SELECT symbol, date, k, x, max(x) OVER w AS highest
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
drawdowns AS (
    SELECT symbol, date, k, CASE WHEN highest = 0 THEN 0e0 ELSE 100 * (x - highest) / highest END AS drawdown
    FROM highs
)
SELECT symbol, date, CASE WHEN k >= 2 * n - 2 THEN sqrt(avg(drawdown * drawdown) OVER w) END AS ulcer
FROM drawdowns
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
