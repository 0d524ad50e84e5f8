/* ---
name: session_buckets
title: "The bucket (n sessions, a week or a month) to which each day belongs."
status: active
grain: one row per day of the calendar
params: {n: "a number of sessions, 'week' or 'month'"}
needs: [sessions]
returns: day, ends_on (the bucket's last session)
reference: sessions are counted from the first of the calendar, so that buckets do not change as days arrive; a day
  without a session belongs to the session before it
example: FROM session_buckets(5) WHERE day >= '2026-11-01' LIMIT 10
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO session_buckets(n) AS TABLE
WITH buckets AS (
    SELECT
        date,
        CASE CAST(n AS VARCHAR)
            WHEN 'week' THEN epoch(date_trunc('week', date))
            WHEN 'month' THEN epoch(date_trunc('month', date))
            ELSE (row_number() OVER (ORDER BY date) - 1) // TRY_CAST(n AS BIGINT)
        END AS bucket
    FROM sessions
),
ends AS (
    SELECT date, max(date) OVER (PARTITION BY bucket) AS ends_on, lead(date) OVER (ORDER BY date) AS next_date
    FROM buckets
)
SELECT CAST(day AS DATE) AS day, ends_on
FROM (
    SELECT
        unnest(generate_series(date, coalesce(next_date - INTERVAL 1 DAY, date), INTERVAL 1 DAY)) AS day,
        ends_on
    FROM ends
) AS days;
