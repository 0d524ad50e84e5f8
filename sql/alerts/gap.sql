/* ---
name: gap
title: The session has opened more than 3 % above or below the previous close.
status: active
severity: info
cooldown: session
channels: [log, webhook, sns]
runs: live
grain: one row per symbol
needs: [live]
returns: symbol, value (the gap in percent), message
reference: the previous close is in the shares of the session, so that a split is no gap
changes:
  - 2026-11-27 first version
--- */
WITH gaps AS (
    SELECT symbol, open, previous_close, 100 * (open / previous_close - 1) AS gap
    FROM live
    WHERE previous_close > 0
)
SELECT
    symbol,
    gap AS value,
    format('{} has opened at {:.6g}, {:+.2f} % from the close of {:.6g}', symbol, open, gap, previous_close) AS message
FROM gaps
WHERE abs(gap) > 3;
