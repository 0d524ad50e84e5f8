/* ---
name: dpo
version: 1
title: Detrended price oscillator.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [dpo]
price_like: [dpo]
scale: {dpo: price}
warmup: greatest(n - 1, n // 2 + 1)
lookback: greatest(n - 1, n // 2 + 1)
formula: value n / 2 + 1 bars before (n / 2 rounded down) - sma(n) of value
difference: 1e-14
reference: equal to TA-Lib DPO and to TradingView's centred one; other sources plot it at the earlier bar
  (Skender.Stock.Indicators), which would look ahead, or subtract the earlier average from the value
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO dpo_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(value AS DOUBLE) AS x,
        lag(CAST(value AS DOUBLE), n // 2 + 1) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of dpo')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN before - avg(x) OVER w END AS dpo
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
