/* ---
name: last_bucket
title: The newest bucket whose bars stay as they are, so that they can be kept.
status: active
grain: one row, or none
params: {}
needs: [session_buckets, "the variables every (sessions, week or month), through and stable_through (DATE; see pipeline/manifest.py)"]
returns: last_day (the last day that belongs to the bucket)
reference: one that ends between the two is made of delta alone from the next bar on; else base has to be read for it
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
