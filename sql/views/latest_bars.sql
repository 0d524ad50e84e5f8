/* ---
name: latest_bars
title: "Bars and pending rows: one row per symbol and date, close NULL while the row is pending."
status: active
grain: one row per symbol and date
needs: [read_merged, silver_bars]
prices: as stored
returns: the columns of schema/raw.sql
example: FROM latest_bars WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
  - 2026-11-27 silver alone if there are no new batch files
--- */
CREATE OR REPLACE VIEW latest_bars AS
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
-- Without new batch files, which is the usual state, DuckDB plans the query without the merge: in a fifth of the time.
FROM query('FROM ' || CASE WHEN len(fresh_files()) = 0 THEN 'silver_bars' ELSE 'read_merged(fresh_files())' END);
