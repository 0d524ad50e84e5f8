/* ---
name: silver_bars
title: The consolidated bars as published, with bar_no and prev_close, and without newer batch files.
status: active
grain: one row per symbol and date
needs: []
variables: [silver, sql_home]
prices: as stored
returns: the columns of schema/bars.sql
reference: pipeline/manifest.py - base and delta have no row in common, so that reading both needs no merge
example: SELECT date, close, prev_close FROM silver_bars WHERE symbol = 'BHP' ORDER BY date DESC LIMIT 10
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO schema_file(name) AS coalesce(
    getvariable('sql_home') || '/schema/' || name || '.parquet',
    'this connection has no lake: open it with analytics.connect(); con.cursor() does not inherit the lake'
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
