/* ---
name: at_least_v1
title: True, or an error that names the indicator and its parameter.
status: active
grain: a scalar
params: {n: a parameter, lowest: its smallest value, what: the indicator and the parameter}
needs: []
returns: BOOLEAN
reference: in the WHERE of an indicator's first step, where it costs nothing, as it is folded to a constant
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO at_least_v1(n, lowest, what) AS
CASE WHEN n >= lowest AND n = floor(n) THEN true
    ELSE error(what || ' is ' || coalesce(CAST(n AS VARCHAR), 'NULL') || ': a whole number from '
        || coalesce(CAST(lowest AS VARCHAR), 'NULL') || ' on is needed')
END;
