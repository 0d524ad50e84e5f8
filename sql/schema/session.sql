/* ---
name: session
title: One row of state/sessions.parquet, the exchange's calendar; the only definition of its format.
status: active
needs: []
grain: one row per session of the lake's market
returns: the columns below
reference: written by the pipeline from exchange_calendars; schema/session.parquet is this table without rows
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE session (
    date      DATE,      -- session, in the exchange's time zone
    open_utc  TIMESTAMP, -- start of trading, UTC
    close_utc TIMESTAMP  -- end of trading, UTC (early closes included)
);
