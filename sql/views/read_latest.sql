/* ---
name: read_latest
title: "One row per symbol and date of a list of batch files, whatever overlaps: the latest fetch wins."
status: active
grain: one row per symbol and date
params: {files: list of Parquet files}
needs: [read_raw]
returns: the columns of schema/raw.sql
example: FROM read_latest(files_since('2026-11-01')) WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO read_latest(files) AS TABLE
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
FROM read_raw(files)
QUALIFY row_number() OVER (
    PARTITION BY symbol, date
    -- A bar that has settled is never hidden by a later answer without a close.
    ORDER BY close IS NULL, fetch_timestamp DESC, file DESC, file_row DESC
) = 1;

COMMENT ON MACRO TABLE read_latest IS
    'One row per symbol and date of a list of batch files, whatever overlaps: the latest fetch wins.';
