/* ---
name: unkept
title: The values of an answer for a quarantine file, those that neither the new rows nor the lake's quarantine have.
status: active
grain: one row per value
params:
  fetch_timestamp: VARCHAR, ISO 8601 UTC
  source: VARCHAR
needs: [steps/news]
makes:
  unkept: the columns of schema/quarantine.sql
returns: temp table unkept
reference: a number that cannot be is stored in raw-data, as it came, if its row is new; the view quarantine finds it
  there. A new row replaces what the quarantine has of its day, so that all values of the day are stored again
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE unkept AS
WITH numbers AS (
    SELECT symbol, date, unnest([
        {name: 'open', text: CAST(open AS VARCHAR)}, {name: 'high', text: CAST(high AS VARCHAR)},
        {name: 'low', text: CAST(low AS VARCHAR)}, {name: 'close', text: CAST(close AS VARCHAR)},
        {name: 'volume', text: CAST(volume AS VARCHAR)},
        {name: 'adjusted_close', text: CAST(adjusted_close AS VARCHAR)},
        {name: 'dividend', text: CAST(dividend AS VARCHAR)},
        {name: 'split_ratio', text: CAST(split_ratio AS VARCHAR)}
    ]) AS cell
    FROM (SELECT n.* FROM news AS n SEMI JOIN faulty AS f ON f.symbol = n.symbol AND f.date = n.date) AS rows_of_faulty
),
known AS (
    SELECT symbol, date, cell.name AS column_name, cell.text, NULL AS file, NULL AS line
    FROM numbers
    WHERE cell.text IS NOT NULL
    UNION ALL
    SELECT h.symbol, h.date, h.column_name, h.text, h.file, h.line
    FROM held AS h
    ANTI JOIN news AS n
        ON n.symbol = h.symbol AND n.date = h.date AND h.fetch_timestamp IS DISTINCT FROM $fetch_timestamp
)
SELECT DISTINCT
    f.symbol, f.date, f.column_name, f.text, f.reason, $source AS source, f.file, f.line,
    $fetch_timestamp AS fetch_timestamp
FROM faulty AS f
WHERE NOT EXISTS (
    SELECT 1
    FROM known AS k
    WHERE k.symbol IS NOT DISTINCT FROM f.symbol AND k.date IS NOT DISTINCT FROM f.date
        AND k.column_name IS NOT DISTINCT FROM f.column_name AND k.text IS NOT DISTINCT FROM f.text
        AND (f.symbol IS NOT NULL AND f.date IS NOT NULL
            OR k.file IS NOT DISTINCT FROM f.file AND k.line IS NOT DISTINCT FROM f.line)
)
ORDER BY f.symbol, f.date, f.column_name, f.text, f.reason, f.file, f.line;
