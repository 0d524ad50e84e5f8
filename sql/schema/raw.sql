/* ---
name: raw
title: One row of a batch file; the only definition of the stored format.
status: active
grain: one row per symbol, date and fetch
returns: the columns below, in this order and these types
reference: schema/raw.parquet is this table without rows (make schema); readers put it before the lake's files, so that
  these types hold whatever a file of another origin declares, and an empty lake is zero rows and no error
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE raw (
    symbol          VARCHAR,  -- the exchange's own code, no source's suffix: BHP
    date            DATE,     -- session, local to the exchange
    open            DOUBLE,   -- prices in the market's currency, finite or NULL
    high            DOUBLE,
    low             DOUBLE,
    close           DOUBLE,   -- NULL: held back as unsettled
    volume          BIGINT,   -- shares
    adjusted_close  DOUBLE,   -- as the source gave it on the day of the fetch; bars_adjusted computes its own
    fetch_timestamp VARCHAR,  -- ISO 8601 UTC with microseconds: text order is time order
    dividend        DOUBLE,   -- cash per share with this ex-date; 0 none, NULL not known
    split_ratio     DOUBLE,   -- new shares for one old with this ex-date; 1 none, NULL not known
    source          VARCHAR,  -- yahoo, polygon, files, ...
    price_basis     DATE      -- splits up to this date are already in the row's prices, volume and dividend
);
