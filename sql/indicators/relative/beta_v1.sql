/* ---
name: beta
version: 1
title: Rolling beta against a benchmark.
status: active
grain: one row per symbol and date
params: {n: 60, benchmark: "'SPY'"}
columns: [close]
returns: [beta]
scale: {beta: 1}
units: {beta: ratio}
warmup: n
lookback: n
formula: "covariance of the close's and the benchmark's returns, divided by the variance of the benchmark's, over the
  last n returns; a return is close / previous close - 1. Only days on which both have a bar count, and a return spans
  the days between two of them: on a day without a bar of the benchmark it is NULL. NULL also where a close is 0, or where
  the benchmark's returns differ by no more than rounding errors"
difference: 1e-12
reference: equal to TA-Lib BETA of the benchmark's and the symbol's closes, whose default n is 5, and to Skender's standard
  beta. The benchmark is a symbol of the same table, `beta('bars_adjusted', 60, 'QQQ')`; if it has no bars at all, that is an
  error. The compiled query joins this macro, which joins two symbols
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO beta_v1(src, n, benchmark) AS TABLE
WITH shares AS (
    SELECT symbol, date, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(close) AND at_least_v1(n, 2, 'the period n of beta')
),
market AS (
    SELECT date, x AS m
    FROM shares
    WHERE symbol = benchmark
),
growths AS (
    SELECT s.symbol, s.date, row_number() OVER w - 1 AS k, s.x / nullif(lag(s.x) OVER w, 0) AS growth,
        b.m / nullif(lag(b.m) OVER w, 0) AS market_growth
    FROM shares AS s
    JOIN market AS b ON s.date = b.date
    WINDOW w AS (PARTITION BY symbol ORDER BY s.date)
),
moments AS (
    SELECT symbol, date, k, count(growth + market_growth) OVER w AS pairs, avg(market_growth) OVER w AS mean,
        covar_pop(growth, market_growth) OVER w AS covariance, var_pop(market_growth) OVER w AS variance
    FROM growths
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
betas AS (
    SELECT symbol, date,
        CASE WHEN k >= n AND pairs = n AND variance > pow(1e-13 * mean, 2) THEN covariance / variance END AS beta
    FROM moments
)
SELECT s.symbol, s.date, b.beta
FROM shares AS s
LEFT JOIN betas AS b ON s.symbol = b.symbol AND s.date = b.date
WHERE has_bars_v1((SELECT count(*) FROM market), benchmark, 'the benchmark of beta');
