/* ---
name: vwap
version: 2
title: Volume-weighted average price since the first bar.
status: active
grain: one row per symbol and date
params: {}
columns: [high, low, close, volume]
returns: [vwap, vwap_value, vwap_volume]
price_like: [vwap, vwap_value]
carried: [vwap_value, vwap_volume]
derived: {vwap: "vwap_value / nullif(vwap_volume, 0)"}
units: {vwap_value: money, vwap_volume: shares}
warmup: 0
lookback: all
formula: vwap_value = cumulative sum of (high + low + close) / 3 * volume; vwap_volume = cumulative sum of volume;
  vwap = vwap_value / vwap_volume, NULL until there is volume
difference: 7e-15
reference: equal to TA-Lib VWAP, which returns 0 until there is volume; see vwap_rolling for the average of the last n
  bars
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO vwap_v2(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(volume AS DOUBLE) AS v,
        (CAST(high AS DOUBLE) + CAST(low AS DOUBLE) + CAST(close AS DOUBLE)) / 3e0 AS price
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND is_finite_v1(volume)
),
traded AS (
    SELECT symbol, date, v, price * v AS money
    FROM bars
),
totals AS (
    SELECT symbol, date, sum(money) OVER w AS money, sum(v) OVER w AS v
    FROM traded
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
SELECT symbol, date, money / nullif(v, 0) AS vwap, money AS vwap_value, v AS vwap_volume
FROM totals;
