/* ---
name: true_range_v1
title: "True range of a bar: the largest of high - low, |high - previous close| and |low - previous close|."
status: active
grain: a scalar
params: {h: "high, DOUBLE", l: "low, DOUBLE", before: "previous close, DOUBLE, NULL for a symbol's first bar"}
needs: []
returns: DOUBLE, 0 for a symbol's first bar
reference: J. W. Wilder, New Concepts in Technical Trading Systems (1978)
example: SELECT true_range_v1(11e0, 10e0, 9e0)
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE MACRO true_range_v1(h, l, before) AS
CASE WHEN before IS NULL THEN 0e0 ELSE greatest(h - l, abs(h - before), abs(l - before)) END;
