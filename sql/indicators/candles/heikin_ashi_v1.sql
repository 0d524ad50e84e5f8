/* ---
name: heikin_ashi
version: 1
aliases: [ha]
title: Heikin-Ashi bars.
status: active
grain: one row per symbol and date
params: {}
columns: [open, high, low, close]
returns: [heikin_ashi_open, heikin_ashi_high, heikin_ashi_low, heikin_ashi_close]
price_like: [heikin_ashi_open, heikin_ashi_high, heikin_ashi_low, heikin_ashi_close]
warmup: 0
lookback: 64
formula: close = (open + high + low + close) / 4; open = mean of the previous Heikin-Ashi open and close, of the first
  bar (open + close) / 2; high = largest of high and the new open and close; low = smallest of low and the new open and
  close; in price units
difference: 1e-15
reference: D. Valcu, Using the Heikin-Ashi Technique, Technical Analysis of Stocks & Commodities (2004); equal to TA-Lib HA
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO heikin_ashi_v1(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(open AS DOUBLE) AS o, CAST(high AS DOUBLE) AS h,
        CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(open) AND is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
closes AS (
    SELECT symbol, date, k, o, h, l, x, (o + h + l + x) / 4e0 AS ha_close
    FROM bars
),
steps AS (
    -- The recursion open = open before / 2 + step, where step is half of the close before.
    SELECT symbol, date, k, h, l, ha_close,
        CASE WHEN k = 0 THEN (o + x) / 2e0 ELSE lag(ha_close) OVER (PARTITION BY symbol ORDER BY date) / 2e0 END AS step
    FROM closes
),
opens AS (
    SELECT symbol, date, h, l, ha_close, decayed_v1(step, 0.5e0, k) AS ha_open
    FROM steps
)
SELECT symbol, date, ha_open AS heikin_ashi_open, greatest(h, ha_open, ha_close) AS heikin_ashi_high,
    least(l, ha_open, ha_close) AS heikin_ashi_low, ha_close AS heikin_ashi_close
FROM opens;
