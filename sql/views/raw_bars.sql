/* ---
name: raw_bars
title: "Every stored row of every fetch: it shows which values were known at which time."
status: active
grain: one row per symbol, date and fetch
needs: [read_stored]
variables: [archive_files, lake, sql_home]
prices: as stored
returns: "the columns of schema/raw.sql, then file (URI of the batch file) and file_row (position of the row in the
  file: 0, 1, 2, ...)"
reference: batch files, and the archive into which `stockstream vacuum --raw archive` moves them; archived rows name
  their batch file. Batch files that a rollback has set aside are left out
example: FROM raw_bars WHERE symbol = 'BHP' AND date = '2026-11-20' ORDER BY fetch_timestamp
changes:
  - 2026-11-21 first version
  - 2026-11-21 archived batch files
  - 2026-11-27 the numbers as they were stored, also those that cannot be
--- */
CREATE OR REPLACE VIEW raw_bars AS
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis, file, file_row
FROM read_stored(raw_files())
UNION ALL
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp, dividend, split_ratio, source,
    price_basis, getvariable('lake') || '/raw-data/' || file AS file, file_row
FROM read_parquet(list_concat(
    [getvariable('sql_home') || '/schema/archive.parquet'], coalesce(getvariable('archive_files'), []::VARCHAR[])
));
