/* ---
name: alert_tables
title: The tables of alert rules that no lake has, empty.
status: active
grain: no rows
params: {}
needs: []
makes:
  levels: symbol, level, note
  live_feed: session, clock, newest, silent_seconds, symbols, missed, symbols_missed, missed_seconds
returns: the temp tables levels (a user's levels of prices) and live_feed (one row, the state of the feed)
reference: pipeline/alerts/evaluation.py fills them; times are UTC. clock is that of the events in a replay, otherwise
  that of the machine; newest is the time of the newest event, NULL before the first; silent_seconds is the longest time
  of the session without an event since the evaluation before; missed_seconds is for how long bars have lacked shares
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE levels (symbol VARCHAR, level DOUBLE, note VARCHAR);

CREATE OR REPLACE TEMP TABLE live_feed (
    session DATE, clock TIMESTAMP, newest TIMESTAMP, silent_seconds DOUBLE, symbols BIGINT, missed DOUBLE,
    symbols_missed BIGINT, missed_seconds DOUBLE
);
