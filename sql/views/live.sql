/* ---
name: live
title: "The live bars of `stockstream stream`: one per symbol and session, also while the session is running."
status: active
grain: one row per symbol and session
needs: []
variables: [live_files, sql_home]
prices: as traded
returns: symbol, session (day of the session, in the exchange's time zone), open, high, low, close (last price so far,
  money per share), volume (shares, may have a fraction), previous_close (close of the session before, in the shares
  of this one, money), split_ratio, change (close - previous_close, money per share), change_percent (change from
  previous_close, percent), moving_average (mean of open, high, low and close, money per share), at (time of the
  newest event, UTC), missed (shares that the feed reports and no event had), late (number of events that came too
  late), events (number of events in the bar), source (the feed), saved_at (time of the state, UTC)
reference: pipeline/live/state.py writes the states, of which the newest per session is read; each query reads again;
  `at` needs the name of the view before it, as DuckDB has a keyword AT; missed is NULL for a feed without day's volumes
example: SELECT symbol, close, live.at FROM live ORDER BY change_percent DESC
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW live AS
WITH states AS (
    SELECT filename, content
    FROM read_blob(list_concat(
        [getvariable('sql_home') || '/schema/live.json'], coalesce(getvariable('live_files'), []::VARCHAR[])
    ))
    QUALIFY row_number() OVER (PARTITION BY parse_dirpath(filename) ORDER BY filename DESC) = 1
),
sessions AS (
    SELECT filename, try(from_json(decode(content), '{"session": "DATE", "source": "VARCHAR", '
        || '"saved_at": "TIMESTAMP", "bars": [{'
        || '"symbol": "VARCHAR", "open": "DOUBLE", "high": "DOUBLE", "low": "DOUBLE", "close": "DOUBLE", '
        || '"volume": "DOUBLE", "previous_close": "DOUBLE", "split_ratio": "DOUBLE", "change": "DOUBLE", '
        || '"change_percent": "DOUBLE", "moving_average": "DOUBLE", "at": "BIGINT", "missed": "DOUBLE", '
        || '"late": "BIGINT", "events": "BIGINT"}]}')) AS state
    FROM states
),
readable AS (
    SELECT CASE WHEN state.session IS NULL OR state.bars IS NULL
        THEN error(filename || ' is damaged: `stockstream stream --restart` begins its session again') ELSE state
    END AS state
    FROM sessions
),
single AS (
    SELECT state.session AS session, state.source AS source, state.saved_at AS saved_at, unnest(state.bars) AS bar
    FROM readable
)
SELECT
    bar.symbol AS symbol, session, bar.open AS open, bar.high AS high, bar.low AS low, bar.close AS close,
    bar.volume AS volume, bar.previous_close AS previous_close, bar.split_ratio AS split_ratio, bar.change AS change,
    bar.change_percent AS change_percent, bar.moving_average AS moving_average,
    make_timestamp(1000 * bar.at) AS at, bar.missed AS missed, bar.late AS late, bar.events AS events, source, saved_at
FROM single
WHERE bar.events > 0;
