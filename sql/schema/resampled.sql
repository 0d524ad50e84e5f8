/* ---
name: resampled
title: One row of silver/bars_3d, bars_weekly and so on; the only definition of their format.
status: active
needs: []
grain: one row per symbol and bucket of sessions
returns: the columns below
reference: schema/resampled.parquet is this table without rows (`make sql`)
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE resampled (
    symbol     VARCHAR,  -- the exchange's own code
    date       DATE,     -- of the bucket's last bar
    first_date DATE,     -- of the bucket's first bar
    ends_on    DATE,     -- the bucket's last session: the row is final once it has closed
    open       DOUBLE,   -- first open, money per share
    high       DOUBLE,   -- highest high, money per share
    low        DOUBLE,   -- lowest low, money per share
    close      DOUBLE,   -- last close, money per share
    volume     BIGINT,   -- shares, sum of the bucket
    bars       BIGINT,   -- number of bars in the bucket
    is_open    BOOLEAN   -- true until the lake contains the bucket's last session
);
