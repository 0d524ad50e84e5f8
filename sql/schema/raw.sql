/* ---
name: raw
title: One row of a batch file; the only definition of the stored format.
status: active
needs: []
grain: one row per symbol, date and fetch
returns: the columns below, in this order and these types
reference: schema/raw.parquet is this table without rows (`make sql`). Queries read it before the lake's files, so that
  these types apply whatever types another program's file has, and an empty lake is zero rows instead of an error
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE raw (
    symbol          VARCHAR,  -- the exchange's own code, without a source's suffix: BHP
    date            DATE,     -- session, in the exchange's time zone
    open            DOUBLE,   -- first price, money per share, finite or NULL; money is in the market's currency
    high            DOUBLE,   -- highest price, money per share
    low             DOUBLE,   -- lowest price, money per share
    close           DOUBLE,   -- last price, money per share, NULL while the row is pending
    volume          BIGINT,   -- shares
    adjusted_close  DOUBLE,   -- the source's adjusted close on the day of the fetch, money; bars_adjusted computes
                              -- its own
    fetch_timestamp VARCHAR,  -- ISO 8601 UTC with microseconds: text order is time order
    dividend        DOUBLE,   -- cash of this ex-date, money per share, 0 if none, NULL if not known
    split_ratio     DOUBLE,   -- new shares per old share of this ex-date, ratio, 1 if none, NULL if not known
    source          VARCHAR,  -- yahoo, polygon, files, ...
    price_basis     DATE      -- the row's prices, volume and dividend include the splits up to this date
);
