/* ---
name: volume
title: The volume is more than three times that of an average session.
status: active
severity: info
cooldown: session
channels: [log, webhook, email, sns]
runs: live
grain: one row per symbol
needs: [indicators_live]
returns: symbol, value (the volume as a multiple of the average), message
reference: the average is that of the 20 bars before, in the shares of the session
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol,
    volume / volume_20 AS value,
    format('{} has traded {:,.0f} shares, {:.1f} times the average', symbol, volume, volume / volume_20) AS message
FROM indicators_live
WHERE volume_20 > 0 AND volume > 3 * volume_20;
