/* ---
name: foreign_files
title: The new files that are Parquet but do not have the columns of a batch file.
status: active
grain: one row per file
params: {}
needs: []
variables: [sql_home, fresh_files]
returns: file, reason
reference: read_raw casts each column to its type in schema/raw.sql; DuckDB reports what it cannot cast only when it
  reads, and then for all files at once; tests/faults/test_foreign.py tries every type in every column
changes:
  - 2026-11-21 first version
--- */
WITH declared AS (
    SELECT name, duckdb_type AS type
    FROM parquet_schema(getvariable('sql_home') || '/schema/raw.parquet')
    WHERE column_id > 0
),
actual AS (
    SELECT file_name AS file, lower(name) AS name, arg_min(coalesce(duckdb_type, 'nested'), column_id) AS type
    FROM parquet_schema(getvariable('fresh_files'))
    WHERE column_id > 0
    GROUP BY file_name, lower(name)
),
typed AS (
    SELECT f.file, f.name, f.type, CASE
        WHEN d.type = 'VARCHAR' THEN f.type NOT IN ('nested', 'BLOB', 'JSON', 'UUID')
        WHEN d.type = 'DATE'
        THEN f.type = 'DATE' OR (f.name = 'date' AND regexp_matches(f.type, '^(VARCHAR|TIMESTAMP.*)$'))
        WHEN d.type IN ('DOUBLE', 'BIGINT')
        THEN regexp_matches(f.type, '^(U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|DECIMAL.*|BOOLEAN)$')
    END AS is_good
    FROM actual AS f
    LEFT JOIN declared AS d ON d.name = f.name
)
SELECT
    file,
    coalesce(
        string_agg(name || ' is ' || type, ', ' ORDER BY name) FILTER (WHERE NOT is_good),
        'it does not have the columns symbol, date and close'
    ) AS reason
FROM typed
GROUP BY file
HAVING bool_or(NOT is_good) OR count(*) FILTER (WHERE is_good AND name IN ('symbol', 'date', 'close')) < 3
