/* ---
name: at_least_v1
title: True if a parameter is a whole number of at least a minimum; otherwise an error that names it.
status: active
grain: a scalar
params: {n: value of the parameter, lowest: its minimum, what: the indicator and the parameter in words}
needs: []
returns: BOOLEAN
reference: used in the WHERE of an indicator's first CTE, where it costs nothing because DuckDB folds it to a constant
example: SELECT at_least_v1(14, 2, 'the period n of rsi')
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO at_least_v1(n, lowest, what) AS
CASE WHEN n >= lowest AND n = floor(n) THEN true
    ELSE error(what || ' is ' || coalesce(CAST(n AS VARCHAR), 'NULL') || ': a whole number from '
        || coalesce(CAST(lowest AS VARCHAR), 'NULL') || ' on is needed')
END;
