/* ---
name: silver_bars
title: The consolidated bars as published, with their number and the close before; without what was fetched since.
status: active
grain: one row per symbol and date
needs: []
returns: the columns of schema/raw.sql, then bar_no and prev_close
reference: pipeline/manifest.py - base and delta share no row, so that reading both is no merging
example: SELECT date, close, prev_close FROM silver_bars WHERE symbol = 'BHP' ORDER BY date DESC LIMIT 10
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO schema_file(name) AS coalesce(
    getvariable('sql_home') || '/schema/' || name || '.parquet',
    'this connection has no lake: make it with analytics.connect(), a cursor of one does not do'
);

CREATE OR REPLACE MACRO silver_files(name, part) AS coalesce(
    CASE part WHEN 'base' THEN getvariable('silver')[name].base ELSE getvariable('silver')[name].delta END,
    []::VARCHAR[]
);

CREATE OR REPLACE MACRO restated_symbols(name) AS coalesce(getvariable('silver')[name].restated, []::VARCHAR[]);

CREATE OR REPLACE VIEW silver_bars AS
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis, bar_no, prev_close
FROM read_parquet(list_concat([schema_file('bars')], silver_files('bars', 'base')))
WHERE NOT list_contains(restated_symbols('bars'), symbol)
UNION ALL
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis, bar_no, prev_close
FROM read_parquet(list_concat([schema_file('bars')], silver_files('bars', 'delta')));

COMMENT ON VIEW silver_bars IS
    'The consolidated bars as published, with their number and the close before; without what was fetched since.';
