/* ---
name: restated
title: The symbols whose consolidated history the new batch files change.
status: active
grain: one row per symbol
params: {}
needs: [read_raw, silver_bars]
variables: [stable_through]
returns: symbol
reference: a split changes every adjusted price before it, so that it restates its symbol, too
changes:
  - 2026-11-21 first version
--- */
WITH fresh AS (
    SELECT symbol, date, coalesce(split_ratio, 1.0) AS split_ratio FROM read_raw(fresh_files())
),
retracted AS (
    SELECT s.symbol
    FROM silver_bars AS s
    JOIN fresh AS f ON f.symbol = s.symbol AND f.date = s.date
    WHERE s.split_ratio <> 1.0 AND f.split_ratio <> s.split_ratio
)
SELECT symbol FROM fresh WHERE date <= getvariable('stable_through') OR split_ratio <> 1.0
UNION
SELECT symbol FROM retracted
ORDER BY symbol
