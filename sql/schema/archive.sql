/* ---
name: archive
title: One row of silver/raw, the archive of batch files; the only definition of its format.
status: active
needs: []
grain: one row per symbol, date and fetch
returns: the columns of schema/raw.sql, then file and file_row
reference: written from read_stored; schema/archive.parquet is this table without rows (`make sql`)
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE archive (
    symbol          VARCHAR,
    date            DATE,
    open            DOUBLE,
    high            DOUBLE,
    low             DOUBLE,
    close           DOUBLE,
    volume          BIGINT,
    adjusted_close  DOUBLE,
    fetch_timestamp VARCHAR,
    dividend        DOUBLE,
    split_ratio     DOUBLE,
    source          VARCHAR,
    price_basis     DATE,
    file            VARCHAR,  -- the batch file's name, without a folder: 2026-11-20-batch-0.parquet
    file_row        BIGINT    -- the row's position in it: 0, 1, 2, ...
);
