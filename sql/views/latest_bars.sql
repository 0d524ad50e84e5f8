/* ---
name: latest_bars
title: "Bars and pending rows: one row per symbol and date, close NULL while the row is pending."
status: active
grain: one row per symbol and date
needs: [read_merged]
returns: the columns of schema/raw.sql
example: FROM latest_bars WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW latest_bars AS
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
FROM read_merged(fresh_files());
