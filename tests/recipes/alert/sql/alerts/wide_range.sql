/* ---
name: wide_range
title: The session's range is more than a tenth of the price.
status: active
severity: info
cooldown: session
channels: [log]
runs: live
grain: one row per symbol
needs: [live, signals]
returns: symbol, value (the range in percent), message
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol,
    100 * (high - low) / close AS value,
    format('{} has a range of {:.1f} %', symbol, 100 * (high - low) / close) AS message
FROM live
WHERE side(high - low, 0.1 * close, close) = 1;
