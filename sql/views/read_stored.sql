/* ---
name: read_stored
title: Every row of a list of batch files, with the declared types and the numbers as they were stored.
status: active
grain: one row per symbol, date and fetch
params: {files: list of Parquet files}
needs: []
variables: [raw_files, sql_home]
prices: as stored
returns: "the columns of schema/raw.sql, then file (URI of the batch file) and file_row (position of the row in the
  file: 0, 1, 2, ...)"
reference: read_raw judges these numbers; NaN is NULL here, too, because it stands for no number
example: FROM read_stored(raw_files()) WHERE symbol = 'BHP' ORDER BY date, fetch_timestamp
changes:
  - 2026-11-27 first version; it was part of read_raw
--- */
CREATE OR REPLACE MACRO raw_files() AS coalesce(
    getvariable('raw_files'),
    error('this connection has no lake: open it with analytics.connect(); con.cursor() does not inherit the lake')
);

-- Python has no other dates, and no bar is that old: a flipped bit made them.
CREATE OR REPLACE MACRO is_possible_day(day) AS day BETWEEN DATE '1600-01-01' AND DATE '9999-12-31';

CREATE OR REPLACE MACRO read_stored(files) AS TABLE
SELECT
    CAST(symbol AS VARCHAR) AS symbol,
    TRY_CAST(date AS DATE) AS date,
    CASE WHEN NOT isnan(open) THEN open END AS open,
    CASE WHEN NOT isnan(high) THEN high END AS high,
    CASE WHEN NOT isnan(low) THEN low END AS low,
    CASE WHEN NOT isnan(close) THEN close END AS close,
    TRY_CAST(CASE WHEN isfinite(TRY_CAST(volume AS DOUBLE)) THEN volume END AS BIGINT) AS volume,
    CASE WHEN NOT isnan(adjusted_close) THEN adjusted_close END AS adjusted_close,
    coalesce(fetch_timestamp, left(parse_filename(filename), 10) || 'T00:00:00.000000Z') AS fetch_timestamp,
    CASE WHEN NOT isnan(dividend) THEN dividend END AS dividend,
    CASE WHEN NOT isnan(split_ratio) THEN split_ratio END AS split_ratio,
    source,
    -- Files of the first schema have no price_basis. Their source was Yahoo, whose prices include all splits up to the
    -- day of the fetch.
    coalesce(
        price_basis,
        TRY_CAST(left(fetch_timestamp, 10) AS DATE),
        TRY_CAST(left(parse_filename(filename), 10) AS DATE)
    ) AS price_basis,
    filename AS file,
    file_row_number AS file_row
FROM read_parquet(
    list_concat([getvariable('sql_home') || '/schema/raw.parquet'], files),
    union_by_name = true, filename = true, file_row_number = true
)
-- A row without a symbol or a date is not a bar, whatever file it comes from.
WHERE symbol IS NOT NULL AND TRY_CAST(date AS DATE) IS NOT NULL;
