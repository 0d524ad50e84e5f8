/* ---
name: resample
title: "Bars of n sessions, of weeks or of months, from any table of daily bars."
status: active
grain: one row per symbol and bucket
params:
  src: name of a table or view of daily bars
  n: "a number of sessions, as 5 or '5d', or 'weekly' or 'monthly', also 'week' or 'month'"
needs: [session_buckets]
prices: of the input
returns: the columns of schema/resampled.sql
reference: schema/resampled.sql describes the columns; prices must have one basis, as in bars_split_adjusted and
  bars_adjusted; bars before the first session of the calendar, in 1950, are left out; NaN and infinity count as NULL
example: FROM resample('bars_adjusted', 5) WHERE symbol = 'BHP' ORDER BY date
changes:
  - 2026-11-21 first version
  - 2026-11-27 NaN and infinity count as NULL; an n that is no interval is an error
--- */
CREATE OR REPLACE MACRO resample(src, n) AS TABLE
SELECT
    b.symbol,
    max(b.date) AS date,
    min(b.date) AS first_date,
    d.ends_on,
    arg_min(b.open, b.date) FILTER (isfinite(CAST(b.open AS DOUBLE))) AS open,
    max(b.high) FILTER (isfinite(CAST(b.high AS DOUBLE))) AS high,
    min(b.low) FILTER (isfinite(CAST(b.low AS DOUBLE))) AS low,
    arg_max(b.close, b.date) FILTER (isfinite(CAST(b.close AS DOUBLE))) AS close,
    CAST(sum(b.volume) FILTER (isfinite(CAST(b.volume AS DOUBLE))) AS BIGINT) AS volume,
    count(*) AS bars,
    d.ends_on > (SELECT max(date) FROM query_table(src)) AS is_open
FROM query_table(src) AS b
JOIN session_buckets(n) AS d ON d.day = b.date
GROUP BY b.symbol, d.ends_on;
