/* ---
name: overbought
title: The RSI of 14 bars has crossed 70, and is above it.
status: active
severity: info
cooldown: session
channels: [log, webhook, email, sns]
runs: live
grain: one row per symbol
needs: [indicators_live, signals]
returns: symbol, value (the RSI of the live bar), message
reference: the signal overbought of the view signals, if the session ends with this bar
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol,
    rsi_14 AS value,
    format('{} is overbought: its RSI is {:.1f}, from {:.1f}', symbol, rsi_14, rsi_14_before) AS message
FROM indicators_live
WHERE side(rsi_14, 70, 100) = 1 AND side(rsi_14_before, 70, 100) < 1;
