/* ---
name: bars_missed
title: For more than five minutes, live bars have lacked events that the feed has reported.
status: active
severity: warning
cooldown: 30m
channels: [log, webhook, email, sns]
runs: live
grain: one row, of the feed as a whole
needs: [live]
tables:
  live_feed: "session DATE, clock TIMESTAMP, newest TIMESTAMP, silent_seconds DOUBLE, symbols BIGINT, missed DOUBLE,
    symbols_missed BIGINT, missed_seconds DOUBLE"
returns: symbol (*, for all), value (shares), message
reference: the column missed of the live bars; a repair from the vendor's REST API brings it to 0 within a minute
changes:
  - 2026-11-27 first version
--- */
SELECT
    '*' AS symbol,
    f.missed AS value,
    format('{:,.0f} shares are missing in {} bars, most in {}', f.missed, f.symbols_missed, (
        SELECT string_agg(symbol, ', ' ORDER BY missed DESC, symbol)
        FROM (SELECT symbol, missed FROM live WHERE missed > 0 ORDER BY missed DESC, symbol LIMIT 5) AS worst
    )) AS message
FROM live_feed AS f
WHERE f.missed_seconds > 300;
