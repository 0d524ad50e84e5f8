/* ---
name: not_negative_v1
title: True if a parameter is a finite number of at least 0; otherwise an error that names it.
status: active
grain: a scalar
params: {x: value of the parameter, what: the indicator and the parameter in words}
needs: []
returns: BOOLEAN
reference: used as at_least_v1, for parameters that need not be whole numbers
example: SELECT not_negative_v1(0.02, 'the acceleration of psar')
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO not_negative_v1(x, what) AS
CASE WHEN x >= 0 AND isfinite(CAST(x AS DOUBLE)) THEN true
    ELSE error(what || ' is ' || coalesce(CAST(x AS VARCHAR), 'NULL') || ': a number from 0 on is needed')
END;
