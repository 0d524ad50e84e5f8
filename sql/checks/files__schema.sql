/* ---
name: files__schema
title: A Parquet file with other columns or types than schema/ declares, or that cannot be read.
status: active
severity: fail
blocking: true
grain: one row per file and column
needs: [read_raw, silver_bars, read_merged]
variables: [silver, session_files, sql_home, unreadable_files]
returns: file, column_name, detail
reference: batch files of the first schema may lack the last four columns, and have timestamps as date and doubles as
  volume, because read_raw converts them; columns that are not declared are never read
fix: "move the file out of raw-data; `stockstream backfill --source files:FILE` imports its contents"
changes:
  - 2026-11-21 first version
--- */
WITH silver AS (
    SELECT unnest(map_entries(getvariable('silver'))) AS entry
),
files AS (
    SELECT unnest(raw_files()) AS file, 'raw' AS format
    UNION ALL
    SELECT unnest(getvariable('session_files')), 'session'
    UNION ALL
    SELECT
        unnest(list_concat(entry.value.base, entry.value.delta)),
        CASE
            WHEN entry.key = 'raw' THEN 'archive'
            WHEN starts_with(entry.key, 'bars_') THEN 'resampled'
            ELSE entry.key
        END
    FROM silver
),
declared AS (
    SELECT parse_filename(file_name, true) AS format, name, duckdb_type AS type
    FROM parquet_schema(getvariable('sql_home') || '/schema/*.parquet')
    WHERE column_id > 0
),
actual AS (
    SELECT file_name, lower(name) AS name, arg_min(coalesce(duckdb_type, 'a nested type'), column_id) AS type
    FROM parquet_schema(list_concat(
        [getvariable('sql_home') || '/schema/raw.parquet'], raw_files(), getvariable('session_files'),
        flatten(list_transform(map_values(getvariable('silver')), lambda t: list_concat(t['base'], t['delta'])))
    ))
    WHERE column_id > 0
    GROUP BY file_name, lower(name)
)
SELECT
    files.file, declared.name AS column_name,
    CASE WHEN declared.name IS NULL THEN format('no sql/schema/{}.sql declares its columns', files.format)
        ELSE format('{} is declared, {} found', declared.type, coalesce(actual.type, 'no such column'))
    END AS detail
FROM files
LEFT JOIN declared ON declared.format = files.format
LEFT JOIN actual ON actual.file_name = files.file AND actual.name = declared.name
WHERE declared.name IS NULL
    OR (actual.type IS DISTINCT FROM declared.type AND NOT (files.format = 'raw' AND CASE
        WHEN actual.type IS NULL THEN declared.name IN ('dividend', 'split_ratio', 'source', 'price_basis')
        WHEN declared.name = 'date' THEN actual.type IN ('TIMESTAMP', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS')
        ELSE declared.name = 'volume' AND actual.type = 'DOUBLE'
    END))
UNION ALL
SELECT unnest(getvariable('unreadable_files')), NULL, 'no readable batch file: it is left out'
ORDER BY file, column_name;
