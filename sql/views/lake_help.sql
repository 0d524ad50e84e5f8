/* ---
name: lake_help
title: "All views, all macros with their parameters, and the command that names damaged files."
status: active
grain: one row per object
params: {}
needs: []
returns: name (as it is called), kind, what
example: FROM lake_help()
changes:
  - 2026-11-21 first version
  - 2026-11-27 the command for damaged files
--- */
CREATE OR REPLACE MACRO lake_help() AS TABLE
SELECT view_name AS name, 'view' AS kind, comment AS what
FROM duckdb_views()
WHERE NOT internal AND comment IS NOT NULL
UNION ALL
SELECT function_name || '(' || array_to_string(parameters, ', ') || ')' AS name, 'macro' AS kind, comment AS what
FROM duckdb_functions()
WHERE NOT internal AND comment IS NOT NULL AND function_type = 'table_macro'
UNION ALL
-- What DuckDB says about a damaged file often lacks its name.
SELECT 'stockstream repair' AS name, 'command' AS kind,
    'Names damaged files, after errors such as "Invalid data" or "No magic bytes"; --apply mends them' AS what
ORDER BY kind DESC, name;
