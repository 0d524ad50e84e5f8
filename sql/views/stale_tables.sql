/* ---
name: stale_tables
title: "The silver tables that are older than the data from which they are computed: a step has failed, or not run yet."
status: active
grain: one row per silver table
params: {}
needs: []
variables: [manifest, symbol_files]
returns: name (of the silver table), reason (in words)
reference: a manifest names, per table, the files of the bars from which it was computed; `stockstream run` computes it
example: FROM stale_tables()
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO stale_tables() AS TABLE
WITH tables AS (
    SELECT item.key AS name, item.value AS stored
    FROM (SELECT unnest(map_entries(getvariable('manifest').tables)) AS item) AS items
),
bars AS (
    SELECT
        coalesce(array_to_string(list_transform(stored.base, lambda f: f.key), ' '), '') AS base,
        coalesce(array_to_string(list_transform(stored.delta, lambda f: f.key), ' '), '') AS delta
    FROM tables
    WHERE name = 'bars'
),
lists AS (
    SELECT max(TRY_CAST(left(parse_filename(file), 10) AS DATE)) AS newest
    FROM (SELECT unnest(getvariable('symbol_files')) AS file) AS files
)
SELECT t.name, 'it was computed from earlier bars than the consolidated ones' AS reason
FROM tables AS t
CROSS JOIN bars AS b
WHERE t.stored.made_from['base'] <> b.base OR t.stored.made_from['delta'] <> b.delta
UNION ALL
SELECT t.name, 'the list of companies of ' || CAST(l.newest AS VARCHAR) || ' is not in it' AS reason
FROM tables AS t
CROSS JOIN lists AS l
WHERE t.name = 'metadata' AND t.stored.through < l.newest;
