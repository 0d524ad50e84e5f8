/* ---
name: bars
title: The bars as stored, one per symbol and session; prices in the row's own price_basis.
status: active
grain: one row per symbol and date
needs: [latest_bars]
prices: as stored
returns: symbol, date, open, high, low, close (last price, money per share, never NULL), volume, adjusted_close,
  fetch_timestamp, dividend, split_ratio, source, price_basis
example: FROM bars WHERE symbol = 'BHP' ORDER BY date DESC LIMIT 10
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW bars AS
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
FROM latest_bars
-- `symbol` is never NULL: OR keeps the filter on close out of the scan, where it would cost another request on S3.
WHERE close IS NOT NULL OR symbol IS NULL;
