/* ---
name: correlation
version: 1
aliases: [correl]
title: Rolling correlation with a benchmark.
status: active
grain: one row per symbol and date
params: {n: 60, benchmark: "'SPY'"}
columns: [close]
returns: [correlation, correlation_returns]
scale: {correlation: 1, correlation_returns: 1}
units: {correlation: "-1 to 1", correlation_returns: "-1 to 1"}
warmup: n
lookback: n
formula: "Pearson's coefficient, from -1 to 1, of the symbol's and the benchmark's last n closes (correlation) and of their
  last n returns, close / previous close - 1 (correlation_returns). Only days on which both have a bar count, and a return
  spans the days between two of them: on a day without a bar of the benchmark both are NULL. NULL also where one of the
  two series differs by no more than rounding errors, and correlation_returns where a close is 0"
difference: 3e-13
reference: correlation is equal to TA-Lib CORREL, whose default n is 30, to Skender's and to TradingView's correlation
  coefficient. The benchmark is a symbol of the same table, `correlation('bars_adjusted', 60, 'QQQ')`; if it has no bars
  at all, that is an error. The compiled query joins this macro, which joins two symbols
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO correlation_v1(src, n, benchmark) AS TABLE
WITH shares AS (
    SELECT symbol, date, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(close) AND at_least_v1(n, 2, 'the period n of correlation')
),
market AS (
    SELECT date, x AS m
    FROM shares
    WHERE symbol = benchmark
),
pairs AS (
    SELECT s.symbol, s.date, row_number() OVER w - 1 AS k, s.x, b.m, s.x / nullif(lag(s.x) OVER w, 0) AS g,
        b.m / nullif(lag(b.m) OVER w, 0) AS mg
    FROM shares AS s
    JOIN market AS b ON s.date = b.date
    WINDOW w AS (PARTITION BY symbol ORDER BY s.date)
),
moments AS (
    SELECT symbol, date, k, count(g + mg) OVER w AS returns, covar_pop(x, m) OVER w AS xm, covar_pop(g, mg) OVER w AS gmg,
        stddev_pop(x) OVER w AS x_deviation, stddev_pop(m) OVER w AS m_deviation, avg(x) OVER w AS x_mean,
        avg(m) OVER w AS m_mean, stddev_pop(g) OVER w AS g_deviation, stddev_pop(mg) OVER w AS mg_deviation,
        avg(g) OVER w AS g_mean, avg(mg) OVER w AS mg_mean
    FROM pairs
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
coefficients AS (
    SELECT symbol, date,
        CASE WHEN k >= n - 1 AND x_deviation > 1e-13 * abs(x_mean) AND m_deviation > 1e-13 * abs(m_mean)
            THEN xm / x_deviation / m_deviation END AS of_closes,
        CASE WHEN k >= n AND returns = n AND g_deviation > 1e-13 * abs(g_mean) AND mg_deviation > 1e-13 * abs(mg_mean)
            THEN gmg / g_deviation / mg_deviation END AS of_returns
    FROM moments
)
SELECT s.symbol, s.date, c.of_closes AS correlation, c.of_returns AS correlation_returns
FROM shares AS s
LEFT JOIN coefficients AS c ON s.symbol = c.symbol AND s.date = c.date
WHERE has_bars_v1((SELECT count(*) FROM market), benchmark, 'the benchmark of correlation');
