/* ---
name: read_merged
title: "The consolidated bars merged with a list of batch files, so that they are right between two consolidations."
status: active
grain: one row per symbol and date
params: {files: list of Parquet files}
needs: [silver_bars, read_raw]
returns: the columns of schema/raw.sql
reference: the one definition of which row wins; without files it costs what reading silver costs
example: FROM read_merged(fresh_files()) WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
--- */
-- The message is the name of a file that there is not: with error() DuckDB could not leave out what reads no file.
CREATE OR REPLACE MACRO fresh_files() AS coalesce(
    getvariable('fresh_files'),
    ['this connection has no lake: make it with analytics.connect(), a cursor of one does not do']
);

-- The files whose keys silver is compared with: none where there is no silver, so that nothing is read twice.
CREATE OR REPLACE MACRO overlapping(files) AS CASE
    WHEN len(silver_files('bars', 'base')) + len(silver_files('bars', 'delta')) = 0 THEN []::VARCHAR[] ELSE files
END;

CREATE OR REPLACE MACRO read_merged(files) AS TABLE
SELECT
    s.symbol, s.date, s.open, s.high, s.low, s.close, s.volume, s.adjusted_close,
    s.fetch_timestamp, s.dividend, s.split_ratio, s.source, s.price_basis
FROM silver_bars AS s
ANTI JOIN read_raw(overlapping(files)) AS fresh ON fresh.symbol = s.symbol AND fresh.date = s.date
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
    SEMI JOIN read_raw(overlapping(files)) AS fresh ON fresh.symbol = s.symbol AND fresh.date = s.date
    WHERE len(overlapping(files)) > 0
) AS told
QUALIFY row_number() OVER (
    PARTITION BY symbol, date
    -- A bar that has settled is never hidden by a later answer without a close; else the latest fetch wins. To the last
    -- column, so that merging in any order and in any number of steps ends the same.
    ORDER BY close IS NULL, fetch_timestamp DESC, close DESC, volume DESC NULLS LAST, price_basis DESC NULLS LAST,
        open DESC NULLS LAST, high DESC NULLS LAST, low DESC NULLS LAST, adjusted_close DESC NULLS LAST,
        dividend DESC NULLS LAST, split_ratio DESC NULLS LAST, source DESC NULLS LAST
) = 1;

COMMENT ON MACRO TABLE read_merged IS
    'The consolidated bars merged with a list of batch files, so that they are right between two consolidations.';
