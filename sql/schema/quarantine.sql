/* ---
name: quarantine
title: One row of a quarantine file, a value that no bar may have; the only definition of the stored format.
status: active
needs: []
grain: one row per value that could not be read, or that cannot be
returns: the columns below, in this order and these types
reference: schema/quarantine.parquet is this table without rows (`make sql`). The files are
  quarantine/YYYY-MM-DD-batch-N.parquet; the view quarantine adds the numbers in raw-data that cannot be
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE quarantine (
    symbol          VARCHAR,  -- NULL if it could not be read
    date            DATE,     -- NULL if it could not be read
    column_name     VARCHAR,  -- of schema/raw.sql; NULL: the row as a whole
    text            VARCHAR,  -- the value as it came
    reason          VARCHAR,  -- why it is no value of this column
    source          VARCHAR,  -- yahoo, polygon, files, ...
    file            VARCHAR,  -- where a person finds it: a file's path, NULL for a vendor's answer
    line            BIGINT,   -- line of a text file, row of a Parquet file; the first is 1
    fetch_timestamp VARCHAR   -- ISO 8601 UTC with microseconds: text order is time order
);
