/* ---
name: last_bucket
title: The bucket with which the base of a resampled table should end; its bars no longer change.
status: active
grain: one row, or none
params: {}
needs: [session_buckets]
variables: [every, through, stable_through]
returns: last_day (the last day that belongs to the bucket)
reference: through and stable_through are those of the table bars (pipeline/manifest.py). The first bucket that ends
  between them is best, because the bars after it are all in delta; after an earlier bucket, base must be read, too
changes:
  - 2026-11-21 first version
--- */
WITH buckets AS (
    SELECT ends_on, max(day) AS last_day FROM session_buckets(getvariable('every')) GROUP BY ends_on
)
SELECT last_day
FROM buckets
WHERE last_day <= getvariable('stable_through')
ORDER BY CASE WHEN last_day >= getvariable('through') THEN 0 ELSE 1 END, abs(last_day - getvariable('through'))
LIMIT 1
