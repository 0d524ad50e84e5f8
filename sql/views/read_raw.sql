/* ---
name: read_raw
title: Every row of a list of batch files, with NULL in place of every number that cannot be.
status: active
grain: one row per symbol, date and fetch
params: {files: list of Parquet files}
needs: [read_stored, rules/number_faults, rules/price_faults]
prices: as stored
returns: "the columns of schema/raw.sql, then file (URI of the batch file) and file_row (position of the row in the
  file: 0, 1, 2, ...)"
reference: sql/rules says which numbers cannot be; the view quarantine has them. Reading what was judged before changes
  nothing
example: FROM read_raw(raw_files()) WHERE symbol = 'BHP' ORDER BY date, fetch_timestamp
changes:
  - 2026-11-21 first version
  - 2026-11-27 numbers that cannot be are NULL; read_stored returns them
--- */
CREATE OR REPLACE MACRO read_raw(files) AS TABLE
SELECT
    symbol,
    date,
    CASE WHEN faults[1] IS NULL THEN open END AS open,
    CASE WHEN faults[2] IS NULL THEN high END AS high,
    CASE WHEN faults[3] IS NULL THEN low END AS low,
    CASE WHEN faults[4] IS NULL THEN close END AS close,
    CASE WHEN volume_fault(volume) IS NULL THEN volume END AS volume,
    CASE WHEN price_fault(adjusted_close) IS NULL THEN adjusted_close END AS adjusted_close,
    fetch_timestamp,
    CASE WHEN dividend_fault(dividend) IS NULL THEN dividend END AS dividend,
    CASE WHEN split_ratio_fault(split_ratio) IS NULL THEN split_ratio END AS split_ratio,
    source,
    price_basis,
    file,
    file_row
FROM (
    SELECT
        symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp, dividend, split_ratio, source,
        price_basis, file, file_row, price_faults(open, high, low, close) AS faults
    FROM read_stored(files)
) AS stored;
