/* ---
name: raw_bars
title: "Every stored row, all fetches of every bar: what was known when."
status: active
grain: one row per symbol, date and fetch
needs: [read_raw]
returns: the columns of schema/raw.sql, then file and file_row
example: FROM raw_bars WHERE symbol = 'BHP' AND date = '2026-11-20' ORDER BY fetch_timestamp
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW raw_bars AS
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis, file, file_row
FROM read_raw(raw_files());

COMMENT ON VIEW raw_bars IS 'Every stored row, all fetches of every bar: what was known when.';
