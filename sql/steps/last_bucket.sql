/* ---
name: last_bucket
title: The newest bucket whose bars do not change any more, so that they can be kept.
status: active
grain: one row, or none
params: {}
needs: [session_buckets]
variables: [every, through, stable_through]
returns: last_day (the last day that belongs to the bucket)
reference: a bucket that ends between through and stable_through (pipeline/manifest.py) is computed from delta alone
  from the next bar on; for any other, base has to be read
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
