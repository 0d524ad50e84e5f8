/* ---
name: is_finite_v1
title: True if a value is a finite number, false for NaN and infinity, NULL for NULL.
status: active
grain: a scalar
params: {x: a value of any numeric type}
needs: []
returns: BOOLEAN
reference: used in the WHERE of an indicator's first CTE, which leaves out the bars without a usable value
example: SELECT is_finite_v1('NaN'::DOUBLE)
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE MACRO is_finite_v1(x) AS isfinite(CAST(x AS DOUBLE));
