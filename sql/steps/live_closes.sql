/* ---
name: live_closes
title: Per symbol the last close before a session, in the shares of that session, and the split of the session.
status: active
grain: one row per symbol
params: {session: DATE}
needs: [bars_as_traded, latest_bars]
returns: symbol, date (of the close), close, split_ratio (of the session)
reference: the close as traded, divided by the splits after its day up to the session, a pending row's included
changes:
  - 2026-11-27 first version
--- */
WITH last_closes AS (
    SELECT symbol, max(date) AS date, arg_max(close, date) AS close
    FROM bars_as_traded
    WHERE date < CAST($session AS DATE) AND date >= CAST($session AS DATE) - INTERVAL 370 DAY
    GROUP BY symbol
),
splits AS (
    SELECT symbol, date, split_ratio
    FROM latest_bars
    WHERE split_ratio > 0 AND split_ratio <> 1
        AND date <= CAST($session AS DATE) AND date >= CAST($session AS DATE) - INTERVAL 370 DAY
)
SELECT
    c.symbol,
    any_value(c.date) AS date,
    any_value(c.close) / product(coalesce(s.split_ratio, 1.0)) AS close,
    product(CASE WHEN s.date = CAST($session AS DATE) THEN s.split_ratio ELSE 1.0 END) AS split_ratio
FROM last_closes AS c
LEFT JOIN splits AS s ON s.symbol = c.symbol AND s.date > c.date
GROUP BY c.symbol
