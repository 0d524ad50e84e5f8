/* ---
name: low_52_weeks
title: The price is the lowest of 52 weeks.
status: active
severity: info
cooldown: session
channels: [log, webhook, email, sns]
runs: live
grain: one row per symbol
needs: [indicators_live, signals]
returns: symbol, value (the session's low), message
reference: 52 weeks are the 252 bars before the live bar, with high and low; symbols with fewer bars have no such alert
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol,
    low AS value,
    format('{} is at a 52-week low of {:.6g}, below {:.6g}', symbol, low, low_252) AS message
FROM indicators_live
WHERE side(low, low_252, low_252) = -1;
