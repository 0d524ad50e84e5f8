/* ---
name: move
title: The price has moved by more than 5 % since the previous close.
status: active
severity: warning
cooldown: session
channels: [log, webhook, email, sns]
runs: live
grain: one row per symbol
needs: [live, signals]
returns: symbol, value (the change in percent), message
reference: the previous close is in the shares of the session, so that a split is no move
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol,
    change_percent AS value,
    format('{} has moved by {:+.2f} % to {:.6g}, from {:.6g}', symbol, change_percent, close, previous_close) AS message
FROM live
WHERE side(abs(change), 0.05 * previous_close, close) = 1;
