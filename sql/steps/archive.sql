/* ---
name: archive
title: The rows of batch files in the archive's format, with the names of the files instead of their URIs.
status: active
grain: one row per row of a batch file
params: {}
needs: [read_stored]
returns: the columns of schema/raw.sql, then file and file_row
reference: schema/archive.sql is the format
changes:
  - 2026-11-26 first version; it was part of pipeline/steps/vacuum.py
--- */
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp, dividend, split_ratio, source,
    price_basis, parse_filename(file) AS file, file_row
FROM read_stored(raw_files())
