/* ---
name: read_merged
title: "The consolidated bars merged with a list of batch files, so that they are current between consolidations, too."
status: active
grain: one row per symbol and date
params: {files: list of Parquet files}
needs: [silver_bars, read_stored, read_raw]
variables: [fresh_files]
prices: as stored
returns: the columns of schema/raw.sql
reference: the only definition of which of several rows for a day is used; without files it costs as much as reading
  silver
example: FROM read_merged(fresh_files()) WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
--- */
-- Without a lake, the message takes the place of a file name, and DuckDB reports it as a missing file. With error()
-- instead, DuckDB could not remove a branch of the query that reads no file.
CREATE OR REPLACE MACRO fresh_files() AS coalesce(
    getvariable('fresh_files'),
    ['this connection has no lake: open it with analytics.connect(); con.cursor() does not inherit the lake']
);

-- The batch files whose keys are compared with those of silver; none if silver is empty, so that no file is read twice.
CREATE OR REPLACE MACRO overlapping(files) AS CASE
    WHEN len(silver_files('bars', 'base')) + len(silver_files('bars', 'delta')) = 0 THEN []::VARCHAR[] ELSE files
END;

CREATE OR REPLACE MACRO read_merged(files) AS TABLE
SELECT
    s.symbol, s.date, s.open, s.high, s.low, s.close, s.volume, s.adjusted_close,
    s.fetch_timestamp, s.dividend, s.split_ratio, s.source, s.price_basis
FROM silver_bars AS s
ANTI JOIN read_stored(overlapping(files)) AS fresh ON fresh.symbol = s.symbol AND fresh.date = s.date
UNION ALL
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
FROM (
    SELECT
        symbol, date, open, high, low, close, volume, adjusted_close,
        fetch_timestamp, dividend, split_ratio, source, price_basis
    FROM read_raw(files)
    UNION ALL
    SELECT
        s.symbol, s.date, s.open, s.high, s.low, s.close, s.volume, s.adjusted_close,
        s.fetch_timestamp, s.dividend, s.split_ratio, s.source, s.price_basis
    FROM silver_bars AS s
    SEMI JOIN read_stored(overlapping(files)) AS fresh ON fresh.symbol = s.symbol AND fresh.date = s.date
    WHERE len(overlapping(files)) > 0
) AS candidates
QUALIFY row_number() OVER (
    PARTITION BY symbol, date
    -- A later row without a close never hides a bar; otherwise the latest fetch wins. The order includes every column,
    -- so that merging in any order and in any number of steps has the same result.
    ORDER BY close IS NULL, fetch_timestamp DESC, close DESC, volume DESC NULLS LAST, price_basis DESC NULLS LAST,
        open DESC NULLS LAST, high DESC NULLS LAST, low DESC NULLS LAST, adjusted_close DESC NULLS LAST,
        dividend DESC NULLS LAST, split_ratio DESC NULLS LAST, source DESC NULLS LAST
) = 1;
