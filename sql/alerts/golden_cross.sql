/* ---
name: golden_cross
title: The average of 50 closes has crossed that of 200, and is above it.
status: active
severity: info
cooldown: session
channels: [log, webhook, email, sns]
runs: live
grain: one row per symbol
needs: [indicators_live, signals]
returns: symbol, value (the average of 50 closes), message
reference: the signal golden_cross of the view signals, if the session ends with this bar
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol,
    sma_50 AS value,
    format('{}: the average of 50 closes, {:.6g}, is above that of 200, {:.6g}', symbol, sma_50, sma_200) AS message
FROM indicators_live
WHERE side(sma_50, sma_200, sma_50 + sma_200) = 1 AND gold_before < 1;
