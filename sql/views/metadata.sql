/* ---
name: metadata
title: Every company and security that was listed, one row per period, with its codes before and after.
status: active
grain: one row per symbol and period; a symbol's periods do not overlap
needs: [silver_bars]
variables: [sql_home]
returns: the columns of schema/metadata.sql
reference: schema/metadata.sql describes the columns; computed from the lists of companies in the lake
example: SELECT symbol, name, valid_to, renamed_to FROM metadata WHERE valid_to IS NOT NULL ORDER BY valid_to
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW metadata AS
SELECT
    symbol, name, sector, type, exchange, currency, figi, listing_date, delisting_date, renamed_from, renamed_to,
    source, valid_from, valid_to
FROM read_parquet(
    list_concat([getvariable('sql_home') || '/schema/metadata.parquet'], silver_files('metadata', 'base')),
    union_by_name = true
);
