/* ---
name: gap
title: The session has opened more than 3 % above or below the previous close.
status: active
severity: info
cooldown: session
channels: [log, webhook, email, sns]
runs: live
grain: one row per symbol
needs: [live, signals]
returns: symbol, value (the gap in percent), message
reference: the previous close is in the shares of the session, so that a split is no gap
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol,
    100 * (open / previous_close - 1) AS value,
    format('{} has opened at {:.6g}, {:+.2f} % from the close of {:.6g}',
        symbol, open, 100 * (open / previous_close - 1), previous_close) AS message
FROM live
WHERE previous_close > 0 AND side(abs(open - previous_close), 0.03 * previous_close, open) = 1;
