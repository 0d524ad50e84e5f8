/* ---
name: stored
title: The rows of the lake for the days that were requested.
status: active
grain: one row per symbol and date
params: {}
needs: [latest_bars, steps/batch_factors]
variables: [batch_symbols]
tables:
  windows: "symbol VARCHAR, start_date DATE, end_date DATE"
makes:
  stored: symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis,
    later_splits, is_empty
returns: temp table stored
changes:
  - 2026-11-27 first version; it was part of news
--- */
CREATE OR REPLACE TEMP TABLE stored AS
SELECT
    b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.adjusted_close, b.dividend, b.split_ratio,
    b.price_basis, coalesce(f.later_splits, 1.0) AS later_splits,
    coalesce(b.close, b.open, b.high, b.low, b.volume, b.adjusted_close, b.dividend, b.split_ratio) IS NULL AS is_empty
FROM latest_bars AS b
JOIN windows AS w ON w.symbol = b.symbol AND b.date >= w.start_date AND b.date <= w.end_date
LEFT JOIN batch_factors AS f
    ON f.symbol = b.symbol AND b.price_basis >= f.basis_from AND b.price_basis < f.basis_until
        AND b.date >= f.history_from AND b.date < f.history_until
-- DuckDB pushes constants through the window of latest_bars into the scan, but not a sub-query.
WHERE b.symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
    AND list_contains(getvariable('batch_symbols'), b.symbol);
