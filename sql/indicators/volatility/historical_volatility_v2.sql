/* ---
name: historical_volatility
version: 2
title: Annualised historical volatility.
status: active
grain: one row per symbol and date
params: {n: 20, sessions: 252, value: close}
columns: [value]
returns: [historical_volatility]
units: {historical_volatility: "ratio per year, 0.2 is 20 %"}
warmup: n
lookback: n
formula: "sample standard deviation (divided by n - 1) of the last n log returns, times sqrt(sessions), the number of
  sessions per year; 0.2 is 20 %; NULL where one of the n + 1 values is not positive"
difference: 2e-14
reference: J. Hull, Options, Futures and Other Derivatives, chapter on estimating volatility from historical data
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; window frames written out
--- */
CREATE OR REPLACE MACRO historical_volatility_v2(src, n, sessions, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(value AS DOUBLE) AS x,
        lag(CAST(value AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of historical_volatility')
        AND at_least_v1(sessions, 1, 'sessions of historical_volatility')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
returns AS (
    SELECT symbol, date, k, x, CASE WHEN x > 0 AND before > 0 THEN ln(x / before) ELSE 0e0 END AS change
    FROM bars
)
SELECT symbol, date,
    CASE WHEN k >= n AND min(x) OVER p > 0
        THEN sqrt(sessions * n / (n - 1e0)) * stddev_pop(change) OVER w END AS historical_volatility
FROM returns
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW),
    p AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n PRECEDING AND CURRENT ROW);
