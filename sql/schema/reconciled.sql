/* ---
name: reconciled
title: One row of silver/reconciled; the only definition of its format.
status: active
needs: []
grain: one row per other source, symbol, column and day (or stretch of days)
returns: the columns below
reference: written by `stockstream reconcile`; prices, volumes and dividends are as traded on their day;
  schema/reconciled.parquet is this table without rows (`make sql`)
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE reconciled (
    symbol      VARCHAR,  -- the exchange's own code
    date        DATE,     -- the day of the difference; the first day of a stretch, or of the comparison
    through     DATE,     -- the last day of a stretch, or of the comparison; otherwise `date`
    column_name VARCHAR,  -- open, high, low, close, volume, dividend, split_ratio; bar: the row as a whole;
                          -- symbol: the verdict on the symbol, of which there is one per symbol and other source
    here        DOUBLE,   -- the lake's value, in the unit of the column; for a bar its close; for a symbol the number
                          -- of bars
    there       DOUBLE,   -- the other source's value, in the unit of the column
    ticks       DOUBLE,   -- (there - here) in ticks, number of the market's smallest steps of a price; for a symbol
                          -- the largest difference
    ratio       DOUBLE,   -- there / here, ratio
    bars        BIGINT,   -- number of bars of the stretch; for a symbol those that both sides have
    verdict     VARCHAR,  -- missing_here, missing_there, shifted, ratio, differs, not_compared; for a symbol also
                          -- actions, volume, within_tolerance, equal, failed, no_bars
    detail      VARCHAR,  -- in words, where there is more to say
    other       VARCHAR,  -- the other source: polygon, files:PATH, or the URI of a lake
    compared_at VARCHAR   -- ISO 8601 UTC
);
