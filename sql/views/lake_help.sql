/* ---
name: lake_help
title: "All views, and all macros with their parameters; of one object, as lake_help('bars'), also its columns."
status: active
grain: one row per object, or per column of one
params: {object: "name of a view or macro; without it, all objects"}
needs: []
returns: "name (object as it is called, or column of it), kind (view, macro, command, note, formula, or the type of a
  column), what (title of the object, or meaning of the column with its unit), prices (as stored, as traded,
  split-adjusted, fully adjusted, of the input, or NULL, if there are none), example (query that runs on any lake)"
reference: documentation.py writes the comments of the objects, which are taken apart here line by line. DuckDB does not
  list the columns of macros; those of views are in duckdb_columns() with the same text, but not in DESCRIBE
example: FROM lake_help('bars_adjusted')
changes:
  - 2026-11-21 first version
  - 2026-11-27 the command for damaged files
  - 2026-11-28 price basis and example of an object, its columns, and what is not obvious
--- */
-- What follows a name in the lines of a comment: 'Prices: as stored'.
CREATE OR REPLACE MACRO line_of(lines, name) AS
    list_filter(lines, lambda line: starts_with(line, name || ': '))[1][len(name) + 3:];

CREATE OR REPLACE MACRO lake_help_of(object) AS TABLE
WITH objects AS (
    SELECT view_name AS object_name, view_name AS name, 'view' AS kind, string_split(comment, chr(10)) AS lines
    FROM duckdb_views()
    WHERE NOT internal AND comment IS NOT NULL
    UNION ALL
    SELECT
        function_name AS object_name, function_name || '(' || array_to_string(parameters, ', ') || ')' AS name,
        'macro' AS kind, string_split(comment, chr(10)) AS lines
    FROM duckdb_functions()
    WHERE NOT internal AND comment IS NOT NULL AND function_type = 'table_macro'
),
requested AS (
    SELECT object_name, name, kind, lines
    FROM objects
    WHERE object IS NULL OR object_name = lower(regexp_extract(object, '^\s*(\w+)', 1))
),
of_macros AS (
    -- A macro with several lists of parameters has a row each, with the same comment.
    SELECT DISTINCT unnest(list_filter(lines, lambda line: starts_with(line, '- '))) AS line, lines
    FROM requested
    WHERE kind = 'macro'
),
answer AS (
    SELECT
        CASE kind WHEN 'view' THEN 1 ELSE 0 END AS place, 0 AS position, name, kind, lines[1] AS what,
        line_of(lines, 'Prices') AS prices, line_of(lines, 'Example') AS example
    FROM requested
    UNION ALL
    SELECT 2 AS place, column_index AS position, column_name AS name, data_type AS kind, comment AS what,
        NULL AS prices, NULL AS example
    FROM duckdb_columns()
    WHERE table_name IN (SELECT object_name FROM requested WHERE kind = 'view') AND object IS NOT NULL
    UNION ALL
    SELECT 2 AS place, list_position(lines, line) AS position, split_part(line[3:], ': ', 1) AS name, 'column' AS kind,
        line[len(split_part(line, ': ', 1)) + 3:] AS what, NULL AS prices, NULL AS example
    FROM of_macros
    WHERE object IS NOT NULL
    UNION ALL
    SELECT DISTINCT 3 AS place, 0 AS position, 'formula' AS name, 'note' AS kind, line_of(lines, 'Formula') AS what,
        NULL AS prices, NULL AS example
    FROM requested
    WHERE object IS NOT NULL AND line_of(lines, 'Formula') IS NOT NULL
    UNION ALL
    SELECT 4 AS place, position, name, kind, what, NULL AS prices, example
    FROM (VALUES
        (1, 'columns', 'note', 'The columns of a view or macro, with their units', 'FROM lake_help(''bars'')'),
        (2, 'order', 'note', 'Rows come in no order, also where they seem to: add ORDER BY',
            'FROM bars_adjusted WHERE symbol = ''BHP'' ORDER BY date'),
        -- What DuckDB says about a damaged file often lacks its name.
        (3, 'stockstream repair', 'command',
            'Names damaged files, after errors such as "Invalid data" or "No magic bytes"; --apply mends them', NULL)
    ) AS notes (position, name, kind, what, example)
    WHERE object IS NULL
    UNION ALL
    SELECT 5 AS place, 0 AS position, error('there is no help on ' || object || ': FROM lake_help() lists all')
        AS name, NULL AS kind, NULL AS what, NULL AS prices, NULL AS example
    WHERE object IS NOT NULL AND NOT EXISTS (SELECT 1 FROM requested)
)
SELECT place, position, name, kind, what, prices, example
FROM answer;

CREATE OR REPLACE MACRO lake_help() AS TABLE (
    SELECT name, kind, what, prices, example
    FROM lake_help_of(CAST(NULL AS VARCHAR))
    ORDER BY place DESC, position, name
),
(object) AS TABLE (
    SELECT name, kind, what, prices, example
    FROM lake_help_of(CAST(object AS VARCHAR))
    ORDER BY place, position, name
);
