/* ---
name: resample
title: "Bars of n sessions, of weeks or of months, from any table of daily bars."
status: active
grain: one row per symbol and bucket
params: {src: name of a table or view of daily bars, n: "number of sessions, 'week' or 'month'"}
needs: [session_buckets]
returns: symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
reference: schema/resampled.sql describes the columns; prices must have one basis, as in bars_split_adjusted and
  bars_adjusted; bars before the first session of the calendar, in 1950, are left out
example: FROM resample('bars_adjusted', 5) WHERE symbol = 'BHP' ORDER BY date
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO resample(src, n) AS TABLE
SELECT
    b.symbol,
    max(b.date) AS date,
    min(b.date) AS first_date,
    d.ends_on,
    arg_min(b.open, b.date) AS open,
    max(b.high) AS high,
    min(b.low) AS low,
    arg_max(b.close, b.date) AS close,
    CAST(sum(b.volume) AS BIGINT) AS volume,
    count(*) AS bars,
    d.ends_on > (SELECT max(date) FROM query_table(src)) AS is_open
FROM query_table(src) AS b
JOIN session_buckets(n) AS d ON d.day = b.date
GROUP BY b.symbol, d.ends_on;
