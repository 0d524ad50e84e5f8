/* ---
name: consolidate
title: "The bars of a bucket to write, with their numbers: those after the cut, and all of the restated symbols."
status: active
grain: one row per symbol and date
params: {}
needs: [latest_bars, silver_bars]
variables: [cut, restated, bucket_from, bucket_until]
sets: [resumed]
makes:
  rewritten: symbol, close, date, open, high, low, volume, dividend, price_basis, split_ratio, adjusted_close,
    fetch_timestamp, source, bar_no, prev_close
returns: temp table rewritten, the columns of schema/bars.sql
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE rows_to_write AS
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
FROM latest_bars
WHERE date > getvariable('cut') AND NOT list_contains(getvariable('restated'), symbol)
    AND symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until')
UNION ALL
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
FROM latest_bars
-- DuckDB pushes constants into the scan, but not a sub-query.
WHERE symbol BETWEEN list_min(getvariable('restated')) AND list_max(getvariable('restated'))
    AND list_contains(getvariable('restated'), symbol)
    AND symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until');

-- The number and previous close with which each symbol's rows continue. The first row that silver has after the cut
-- contains both. If all rows are rewritten, there is no such row, and numbering starts at 0 ...
CREATE OR REPLACE TEMP TABLE starts AS
SELECT symbol, arg_min(bar_no, date) AS bar_no, arg_min_null(prev_close, date) AS prev_close
FROM silver_bars
WHERE date > getvariable('cut') AND NOT list_contains(getvariable('restated'), symbol)
    AND getvariable('cut') > DATE '0001-01-01'
    AND symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until')
GROUP BY symbol;

-- ... For a symbol without a row in silver after the cut, they follow from its last row up to the cut. Few symbols need
-- this: those that were not traded for months.
SET VARIABLE resumed = (
    SELECT coalesce(list(DISTINCT r.symbol), []::VARCHAR[])
    FROM rows_to_write AS r
    ANTI JOIN starts AS s ON s.symbol = r.symbol
    WHERE NOT list_contains(getvariable('restated'), r.symbol)
);
INSERT INTO starts
SELECT
    symbol,
    arg_max(bar_no, date) + arg_max(CASE WHEN close IS NULL THEN 0 ELSE 1 END, date) AS bar_no,
    arg_max_null(coalesce(close, prev_close), date) AS prev_close
FROM silver_bars
WHERE symbol BETWEEN list_min(getvariable('resumed')) AND list_max(getvariable('resumed'))
    AND list_contains(getvariable('resumed'), symbol)
    AND date <= getvariable('cut')
GROUP BY symbol;

CREATE OR REPLACE TEMP TABLE rewritten AS
SELECT
    -- Symbol, close and date are adjacent in the file, then what the adjusted views read: a query needs one request.
    r.symbol, r.close, r.date, r.open, r.high, r.low, r.volume, r.dividend, r.price_basis, r.split_ratio,
    r.adjusted_close, r.fetch_timestamp, r.source,
    coalesce(s.bar_no, 0) + count(r.close) OVER before AS bar_no,
    coalesce(last_value(r.close IGNORE NULLS) OVER before, s.prev_close) AS prev_close
FROM rows_to_write AS r
LEFT JOIN starts AS s ON s.symbol = r.symbol
WINDOW before AS (PARTITION BY r.symbol ORDER BY r.date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);
