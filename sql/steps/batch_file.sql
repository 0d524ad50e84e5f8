/* ---
name: batch_file
title: The rows of a batch file, what it holds already and the news, in the order in which they are stored.
status: active
grain: one row per symbol, date and fetch
params: {}
needs: [raw, batch_file_before (schema/raw.sql, the file as it is), news]
returns: the columns of schema/raw.sql
reference: sorted by symbol so that one symbol's rows lie together and row group statistics cut the rest
changes:
  - 2026-11-21 first version
--- */
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
FROM (
    SELECT symbol, date, open, high, low, close, volume, adjusted_close,
        fetch_timestamp, dividend, split_ratio, source, price_basis
    FROM batch_file_before
    UNION ALL
    SELECT symbol, date, open, high, low, close, volume, adjusted_close,
        fetch_timestamp, dividend, split_ratio, source, price_basis
    FROM news
) AS rows
ORDER BY symbol, date, fetch_timestamp
