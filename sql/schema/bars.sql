/* ---
name: bars
title: One row of silver/bars; the only definition of its format.
status: active
needs: []
grain: one row per symbol and date
returns: the columns of schema/raw.sql, then bar_no and prev_close
reference: schema/bars.parquet is this table without rows (`make sql`)
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE bars (
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
    bar_no          BIGINT,   -- number of this symbol's earlier rows with a close: 0, 1, 2, ...
    prev_close      DOUBLE    -- the last of their closes, as stored in its own price_basis, money; NULL in the first
                              -- bar
);
