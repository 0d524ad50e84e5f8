/* ---
name: raw_events
title: One row of raw_events/days; an event of a feed as it came.
status: active
needs: []
grain: one row per event
returns: the columns below
reference: schema/raw_events.parquet is this table without rows (`make sql`); pipeline/live/raw_events.py has the same
  fields in lines of JSON, of which raw_events.json has none
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE raw_events (
    symbol     VARCHAR,  -- NULL for what could not be decoded
    kind       VARCHAR,  -- A, AM, T or D, or the reason why it could not be decoded
    "at"       BIGINT,   -- its own time in milliseconds since 1970, UTC
    arrived_at BIGINT,   -- the time at which the stream took it, in the same unit
    position   VARCHAR,  -- shard and sequence number of its record
    event      VARCHAR   -- its text
);
