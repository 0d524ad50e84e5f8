/* ---
name: resampled
title: One row of silver/bars_3d and its like; the only definition of their format.
status: active
grain: one row per symbol and bucket of sessions
returns: the columns below
reference: schema/resampled.parquet is this table without rows (make schema)
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE resampled (
    symbol     VARCHAR,
    date       DATE,    -- of the bucket's last bar
    first_date DATE,    -- of the bucket's first bar
    ends_on    DATE,    -- the bucket's last session: from its close on the row is final
    open       DOUBLE,  -- first open
    high       DOUBLE,  -- highest high
    low        DOUBLE,  -- lowest low
    close      DOUBLE,  -- last close
    volume     BIGINT,  -- sum of the volumes
    bars       BIGINT,  -- bars in the bucket
    is_open    BOOLEAN  -- the lake has not come to the bucket's last session yet
);
