/* ---
name: lake_status
title: What the lake contains, in one row.
status: active
grain: one row
params: {}
needs: [latest_bars, pending, stale_tables, symbols]
variables: [lake, manifest, unreadable_files]
returns: lake (folder or URI), listed (number of companies in the newest list), listed_on (date of the newest list),
  generation (its number, 0 for none), batch_files (number of batch files), fresh_files (number of batch files not
  consolidated yet), unreadable_files (number of batch files left out), symbols (number of symbols with bars), bars
  (number of bars), first_date (of the bars), last_date (of the bars), unsettled (number of pending rows), last_fetch
  (time of the newest fetch, ISO 8601 UTC), stale_tables (a list of {name, reason})
example: FROM lake_status()
changes:
  - 2026-11-21 first version
  - 2026-11-27 stale_tables
--- */
CREATE OR REPLACE MACRO lake_status() AS TABLE
SELECT
    getvariable('lake') AS lake,
    (SELECT count(*) FROM symbols) AS listed,
    (SELECT max(listed_on) FROM symbols) AS listed_on,
    getvariable('manifest').generation AS generation,
    len(raw_files()) AS batch_files,
    len(fresh_files()) AS fresh_files,
    coalesce(len(getvariable('unreadable_files')), 0) AS unreadable_files,
    count(DISTINCT symbol) FILTER (WHERE close IS NOT NULL) AS symbols,
    count(*) FILTER (WHERE close IS NOT NULL) AS bars,
    min(date) FILTER (WHERE close IS NOT NULL) AS first_date,
    max(date) FILTER (WHERE close IS NOT NULL) AS last_date,
    (SELECT count(*) FROM pending) AS unsettled,
    max(fetch_timestamp) AS last_fetch,
    (
        SELECT coalesce(list({name: CAST(name AS VARCHAR), reason: reason} ORDER BY name), []) FROM stale_tables()
    ) AS stale_tables
FROM latest_bars;
