/* ---
name: arrive
title: The rows of a source's answer for the days that were requested, as they came.
status: active
grain: one row per row of the answer
params: {}
needs: [rules/price_faults]
tables:
  fetched: "symbol VARCHAR, date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT,
    adjusted_close DOUBLE, dividend DOUBLE, split_ratio DOUBLE, price_basis DATE, file VARCHAR, line BIGINT"
  windows: "symbol VARCHAR, start_date DATE, end_date DATE"
makes:
  arrived: symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis, file,
    line, faults, is_empty
returns: temp table arrived; an empty row (a holiday that the source lists) says that there is no bar
changes:
  - 2026-11-27 first version; it was part of accept
--- */
CREATE OR REPLACE TEMP TABLE arrived AS
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis, file, line,
    price_faults(open, high, low, close) AS faults,
    close IS NULL AND open IS NULL AND high IS NULL AND low IS NULL AND coalesce(volume, 0) = 0
        AND coalesce(dividend, 0.0) = 0.0 AND coalesce(split_ratio, 1.0) = 1.0 AS is_empty
FROM (
    SELECT
        f.symbol, f.date,
        CASE WHEN NOT isnan(f.open) THEN f.open END AS open,
        CASE WHEN NOT isnan(f.high) THEN f.high END AS high,
        CASE WHEN NOT isnan(f.low) THEN f.low END AS low,
        CASE WHEN NOT isnan(f.close) THEN f.close END AS close,
        f.volume,
        CASE WHEN NOT isnan(f.adjusted_close) THEN f.adjusted_close END AS adjusted_close,
        CASE WHEN NOT isnan(f.dividend) THEN f.dividend END AS dividend,
        CASE WHEN NOT isnan(f.split_ratio) THEN f.split_ratio END AS split_ratio,
        f.price_basis, f.file, f.line
    FROM fetched AS f
    JOIN windows AS w ON w.symbol = f.symbol AND f.date >= w.start_date AND f.date <= w.end_date
) AS requested;
