/* ---
name: coppock
version: 1
title: Coppock curve.
status: active
grain: one row per symbol and date
params: {n: 10, fast: 11, slow: 14, value: close}
columns: [value]
returns: [coppock]
scale: {coppock: 100}
units: {coppock: percent}
warmup: n - 1 + slow
lookback: n - 1 + slow
formula: wma(n) of roc(fast) + roc(slow), each in per cent; a rate of change is 0 where the earlier value is 0
difference: 8e-14
reference: E. S. C. Coppock, Barron's (1962), for monthly bars; equal to TA-Lib COPPOCK, TradingView and pandas-ta
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO coppock_v1(src, n, fast, slow, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(value AS DOUBLE) AS x,
        lag(CAST(value AS DOUBLE), fast) OVER w AS newer, lag(CAST(value AS DOUBLE), slow) OVER w AS older
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of coppock')
        AND at_least_v1(fast, 1, 'fast of coppock') AND at_least_v1(slow, fast + 1, 'slow of coppock')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
rates AS (
    SELECT symbol, date, k,
        CASE WHEN newer = 0 THEN 0e0 ELSE 100 * (x / newer - 1) END
        + CASE WHEN older = 0 THEN 0e0 ELSE 100 * (x / older - 1) END AS rate
    FROM bars
)
SELECT symbol, date,
    CASE WHEN k >= n - 1 + slow
        THEN (sum(k * rate) OVER w - (k - n) * sum(rate) OVER w) * 2e0 / (n * (n + 1)) END AS coppock
FROM rates
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
