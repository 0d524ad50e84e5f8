/* ---
name: held
title: The lake's quarantine for the days that were requested, and of values without a day.
status: active
grain: one row per value
params: {}
needs: [quarantine, steps/faulty]
variables: [batch_symbols]
makes:
  held: symbol, date, column_name, text, file, line, fetch_timestamp, is_repeated
returns: temp table held; is_repeated if the answer has the value again
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE held AS
WITH quarantined AS (
    SELECT q.symbol, q.date, q.column_name, q.text, q.file, q.line, q.fetch_timestamp
    FROM quarantine AS q
    JOIN windows AS w ON w.symbol = q.symbol AND (q.date IS NULL OR (q.date >= w.start_date AND q.date <= w.end_date))
    WHERE q.symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
        AND list_contains(getvariable('batch_symbols'), q.symbol)
    UNION ALL
    SELECT symbol, date, column_name, text, file, line, fetch_timestamp
    FROM quarantine
    WHERE symbol IS NULL
)
SELECT
    symbol, date, column_name, text, file, line, fetch_timestamp,
    EXISTS (
        SELECT 1
        FROM faulty AS f
        WHERE f.symbol = q.symbol AND f.date = q.date
            AND f.column_name IS NOT DISTINCT FROM q.column_name AND f.text IS NOT DISTINCT FROM q.text
    ) AS is_repeated
FROM quarantined AS q;
