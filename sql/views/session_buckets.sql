/* ---
name: session_buckets
title: "The bucket (n sessions, a week or a month) to which each day belongs."
status: active
grain: one row per day of the calendar
params: {n: "a number of sessions, as 5 or '5d', or 'weekly' or 'monthly', also 'week' or 'month'"}
needs: [sessions]
returns: day (of the calendar), ends_on (the bucket's last session)
reference: sessions are counted from the first of the calendar, so that buckets do not change as days arrive; a day
  without a session belongs to the session before it; any other n is an error
example: FROM session_buckets(5) WHERE day >= '2026-11-01' LIMIT 10
changes:
  - 2026-11-21 first version
  - 2026-11-27 "the words weekly, monthly and 5d; any other n is an error"
--- */
-- The name of an interval, as in bars_resampled: 5d, weekly or monthly.
CREATE OR REPLACE MACRO interval_name(n) AS CASE
    WHEN lower(CAST(n AS VARCHAR)) IN ('week', 'weekly') THEN 'weekly'
    WHEN lower(CAST(n AS VARCHAR)) IN ('month', 'monthly') THEN 'monthly'
    WHEN regexp_full_match(CAST(n AS VARCHAR), '0*[1-9][0-9]{0,5}(d|D|\.0*)?')
        THEN CAST(CAST(regexp_extract(CAST(n AS VARCHAR), '[0-9]+') AS INTEGER) AS VARCHAR) || 'd'
    ELSE error('the interval is ' || coalesce(CAST(n AS VARCHAR), 'NULL')
        || ': a number of sessions is needed, as 5 or ''5d'', or ''weekly'' or ''monthly''')
END;

CREATE OR REPLACE MACRO session_buckets(n) AS TABLE
WITH buckets AS (
    SELECT
        date,
        CASE interval_name(n)
            WHEN 'weekly' THEN epoch(date_trunc('week', date))
            WHEN 'monthly' THEN epoch(date_trunc('month', date))
            ELSE (row_number() OVER (ORDER BY date) - 1) // TRY_CAST(rtrim(interval_name(n), 'd') AS BIGINT)
        END AS bucket
    -- The name of a table is computed when the query is bound, so that a wrong n is an error without rows, too.
    FROM query_table(CASE WHEN interval_name(n) IS NOT NULL THEN 'sessions' END)
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
