/* ---
name: accept
title: The rows of a source's answer that may be stored.
status: active
grain: one row per symbol and date
params: {}
needs: []
tables: {fetched: schema/raw, windows: "symbol VARCHAR, start_date DATE, end_date DATE"}
makes: {accepted: "symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis"}
returns: temp table accepted; close is NULL if the source has not reported it yet
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE accepted AS
WITH finite AS (
    SELECT
        symbol,
        date,
        CASE WHEN isfinite(open) THEN open END AS open,
        CASE WHEN isfinite(high) THEN high END AS high,
        CASE WHEN isfinite(low) THEN low END AS low,
        CASE WHEN isfinite(close) THEN close END AS close,
        volume,
        CASE WHEN isfinite(adjusted_close) THEN adjusted_close END AS adjusted_close,
        CASE WHEN isfinite(dividend) THEN dividend END AS dividend,
        CASE WHEN isfinite(split_ratio) AND split_ratio > 0 THEN split_ratio END AS split_ratio,
        price_basis
    FROM fetched
)
SELECT
    f.symbol, f.date, f.open, f.high, f.low, f.close, f.volume, f.adjusted_close,
    f.dividend, f.split_ratio, f.price_basis
FROM finite AS f
JOIN windows AS w ON w.symbol = f.symbol AND f.date >= w.start_date AND f.date <= w.end_date
-- An empty row (a holiday that the source lists) is neither a bar nor pending.
WHERE f.close IS NOT NULL
    OR f.open IS NOT NULL OR f.high IS NOT NULL OR f.low IS NOT NULL
    OR coalesce(f.volume, 0) > 0 OR coalesce(f.dividend, 0.0) <> 0.0 OR coalesce(f.split_ratio, 1.0) <> 1.0
QUALIFY row_number() OVER (
    PARTITION BY f.symbol, f.date
    -- The order includes every column: of two rows for a day, the same one must win in every run.
    ORDER BY f.close IS NULL, f.volume DESC NULLS LAST, f.close DESC, f.price_basis DESC NULLS LAST,
        f.open DESC NULLS LAST, f.high DESC NULLS LAST, f.low DESC NULLS LAST, f.adjusted_close DESC NULLS LAST,
        f.dividend DESC NULLS LAST, f.split_ratio DESC NULLS LAST
) = 1;
