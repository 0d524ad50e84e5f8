/* ---
name: wilder_of_v1
title: Wilder's moving average of a column, which starts with the mean of n values.
status: active
grain: a scalar with window functions, over rows that have symbol and date
params:
  x: "DOUBLE, a column of the rows; not NULL from bar first - n + 1 on"
  n: the period; the weight of a new value is 1 / n
  first: number of the bar at which the average starts, n if x starts at bar 1
  k: 0-based number of the bar within its symbol
needs: [average_of_v1]
returns: DOUBLE, NULL before bar first
reference: J. W. Wilder, New Concepts in Technical Trading Systems (1978); see average_of_v1
example: SELECT wilder_of_v1(x, 2, 1, k) FROM (SELECT 'A' AS symbol, DATE '2026-01-01' AS date, 1e0 AS x, 0 AS k)
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE MACRO wilder_of_v1(x, n, first, k) AS average_of_v1(x, 1e0 / n, n, first, k);
