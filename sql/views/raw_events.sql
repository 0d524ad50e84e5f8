/* ---
name: raw_events
title: "The events of feeds as they came over a stream (`stockstream stream --to kinesis:NAME`), each once."
status: active
grain: one row per event
needs: []
variables: [raw_event_files, raw_arrival_files, sql_home]
returns: symbol (NULL for what could not be decoded), date (day of the session), kind (A, AM, T, D, or why it could
  not be decoded), at (time of the event, UTC), arrived_at (time at which the stream took it, UTC), position (shard
  and sequence number), event (its text)
reference: pipeline/live/raw_events.py; the arrivals of a session, and from its end on the same in the order of symbols.
  A condition on `date` reads the files of these days only; `event ->> '$.v'` reads a field of the text
example: SELECT kind, count(*) FROM raw_events WHERE date = '2026-11-25' AND symbol = 'AAPL' GROUP BY kind
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW raw_events AS
WITH dated AS (
    -- The day is from the file's name in each part, so that a condition on it leaves out files.
    SELECT
        symbol, TRY_CAST(regexp_extract(filename, '/date=(\d{4}-\d\d-\d\d)/', 1) AS DATE) AS date, kind,
        "at" AS happened, arrived_at, position, event
    FROM read_parquet(
        list_concat([getvariable('sql_home') || '/schema/raw_events.parquet'], getvariable('raw_event_files')),
        filename = true
    )
    UNION ALL
    SELECT
        symbol, TRY_CAST(regexp_extract(filename, '/date=(\d{4}-\d\d-\d\d)/', 1) AS DATE) AS date, kind,
        "at" AS happened, arrived_at, position, event
    FROM read_json(
        list_concat([getvariable('sql_home') || '/schema/raw_events.json'], getvariable('raw_arrival_files')),
        format = 'newline_delimited', filename = true, columns = {
            'symbol': 'VARCHAR', 'kind': 'VARCHAR', 'at': 'BIGINT', 'arrived_at': 'BIGINT', 'position': 'VARCHAR',
            'event': 'VARCHAR'
        }
    )
),
-- Also what a producer or the stream has sent twice: the same text about the same symbol.
single AS (
    SELECT symbol, date, kind, happened, arrived_at, position, event
    FROM dated
    QUALIFY row_number() OVER (PARTITION BY date, symbol, event ORDER BY position) = 1
)
SELECT
    symbol, date, kind, make_timestamp(1000 * happened) AS at, make_timestamp(1000 * arrived_at) AS arrived_at,
    position, event
FROM single;
