/* ---
name: read_resampled
title: The rows of a stored table of resampled bars; none if the lake does not have the table.
status: active
grain: one row per symbol and bucket
params: {name: "name of the table, as bars_5d"}
needs: [silver_bars]
variables: [sql_home]
prices: split-adjusted
returns: the columns of schema/resampled.sql
reference: for the views bars_3d to bars_monthly, which exist in every lake; in queries, bars_resampled('5d') is an
  error if the lake does not have the table
example: FROM read_resampled('bars_5d') WHERE symbol = 'BHP' ORDER BY date
changes:
  - 2026-11-27 first version; it was part of bars_resampled
--- */
CREATE OR REPLACE MACRO read_resampled(name) AS TABLE
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_parquet(
    list_concat([getvariable('sql_home') || '/schema/resampled.parquet'], silver_files(name, 'base'))
)
WHERE NOT list_contains(restated_symbols(name), symbol)
UNION ALL
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_parquet(
    list_concat([getvariable('sql_home') || '/schema/resampled.parquet'], silver_files(name, 'delta'))
);
