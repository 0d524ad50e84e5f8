/* ---
name: feed_silent
title: No event has come for more than two minutes of the session.
status: active
severity: critical
cooldown: 30m
channels: [log, webhook, email, sns]
runs: live
grain: one row, of the feed as a whole
needs: []
tables:
  live_feed: "session DATE, clock TIMESTAMP, newest TIMESTAMP, silent_seconds DOUBLE, symbols BIGINT, missed DOUBLE,
    symbols_missed BIGINT, missed_seconds DOUBLE"
returns: symbol (*, for all), value (seconds), message
reference: of a feed that is running, silence is measured with the clock of the machine; of a replay, with that of the
  events. Only time within the session counts
changes:
  - 2026-11-27 first version
--- */
SELECT
    '*' AS symbol,
    silent_seconds AS value,
    format('no event for {:.0f} seconds; the newest one is of {} UTC', silent_seconds, coalesce(
        strftime(newest, '%H:%M:%S'), 'no time')) AS message
FROM live_feed
WHERE silent_seconds > 120;
