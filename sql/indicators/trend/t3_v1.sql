/* ---
name: t3
version: 1
title: Tillson's T3 moving average.
status: active
grain: one row per symbol and date
params: {n: 5, factor: 0.7, value: close}
columns: [value]
returns: [t3]
price_like: [t3]
warmup: 6 * n - 6
lookback: 6 * n - 6 + 54 * (n + 1)
formula: "e3 + 3 * factor * (e3 - e4) + 3 * factor^2 * (e3 - 2 * e4 + e5) + factor^3 * (e3 - 3 * e4 + 3 * e5 - e6),
  where e1 = ema(n) of value and each of e2 to e6 = ema(n) of the one before; each average starts with the mean of its
  first n values"
difference: 6e-15
reference: T. Tillson, Better Moving Averages, Technical Analysis of Stocks & Commodities (1998); equal to TA-Lib T3;
  Skender.Stock.Indicators starts all averages at the first bar
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO t3_v1(src, n, factor, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of t3')
        AND not_negative_v1(factor, 'the factor of t3')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
first AS (SELECT symbol, date, k, ema_of_v1(x, n, n - 1, k) AS e1 FROM bars),
second AS (SELECT symbol, date, k, ema_of_v1(e1, n, 2 * n - 2, k) AS e2 FROM first),
third AS (SELECT symbol, date, k, ema_of_v1(e2, n, 3 * n - 3, k) AS e3 FROM second),
fourth AS (SELECT symbol, date, k, e3, ema_of_v1(e3, n, 4 * n - 4, k) AS e4 FROM third),
fifth AS (SELECT symbol, date, k, e3, e4, ema_of_v1(e4, n, 5 * n - 5, k) AS e5 FROM fourth),
sixth AS (SELECT symbol, date, e3, e4, e5, ema_of_v1(e5, n, 6 * n - 6, k) AS e6 FROM fifth)
SELECT symbol, date,
    e3 + 3 * factor * (e3 - e4) + 3 * pow(factor, 2) * (e3 - 2 * e4 + e5)
    + pow(factor, 3) * (e3 - 3 * e4 + 3 * e5 - e6) AS t3
FROM sixth;
