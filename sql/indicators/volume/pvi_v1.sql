/* ---
name: pvi
version: 1
title: Positive volume index.
status: active
grain: one row per symbol and date
params: {}
columns: [close, volume]
returns: [pvi]
units: {pvi: "number, 1000 at the first bar"}
warmup: 0
lookback: all
formula: starts at 1000; each bar whose volume rose multiplies it by close / previous close; written as 1000 * exp(sum
  of the logarithms of these quotients), where a bar with a close that is not positive counts as unchanged
difference: 5e-15
reference: P. Dysart (1936), N. Fosback, Stock Market Logic (1976); equal to TA-Lib PVI; pandas-ta and TradingView start
  at 1000 and 1 and add per cents or products
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO pvi_v1(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(close AS DOUBLE) AS x, lag(CAST(close AS DOUBLE)) OVER w AS before,
        CAST(volume AS DOUBLE) AS v, lag(CAST(volume AS DOUBLE)) OVER w AS v_before
    FROM query_table(src)
    WHERE is_finite_v1(close) AND is_finite_v1(volume)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
growths AS (
    SELECT symbol, date, CASE WHEN v > v_before AND x > 0 AND before > 0 THEN ln(x / before) ELSE 0e0 END AS growth
    FROM bars
),
totals AS (
    SELECT symbol, date,
        sum(growth) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS growth
    FROM growths
)
SELECT symbol, date, 1000 * exp(growth) AS pvi
FROM totals;
