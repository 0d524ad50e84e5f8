/* ---
name: bars_as_live
title: The bars of a past session in the form of live bars, as they were at its end.
status: active
grain: one row per symbol
params: {session: DATE}
needs: [bars_as_traded, steps/live_closes, live]
tables:
  last_closes: symbol VARCHAR, date DATE, close DOUBLE, split_ratio DOUBLE
returns: symbol, session, open, high, low, close, volume, previous_close, split_ratio, change, change_percent,
  moving_average, at, missed, late, events, source, saved_at
reference: the columns of the view live. The caller's table last_closes has the rows of live_closes for the session
changes:
  - 2026-11-27 first version
--- */
SELECT
    b.symbol,
    b.date AS session,
    coalesce(b.open, b.close) AS open,
    coalesce(b.high, b.close) AS high,
    coalesce(b.low, b.close) AS low,
    b.close,
    CAST(coalesce(b.volume, 0) AS DOUBLE) AS volume,
    p.close AS previous_close,
    coalesce(p.split_ratio, 1e0) AS split_ratio,
    b.close - p.close AS change,
    CASE WHEN p.close > 0 THEN 100 * (b.close / p.close - 1) END AS change_percent,
    (coalesce(b.open, b.close) + coalesce(b.high, b.close) + coalesce(b.low, b.close) + b.close) / 4 AS moving_average,
    CAST(b.date AS TIMESTAMP) AS at,
    0e0 AS missed,
    CAST(0 AS BIGINT) AS late,
    CAST(1 AS BIGINT) AS events,
    'bars' AS source,
    CAST(b.date AS TIMESTAMP) AS saved_at
FROM bars_as_traded AS b
LEFT JOIN last_closes AS p ON p.symbol = b.symbol
WHERE b.date = CAST($session AS DATE)
