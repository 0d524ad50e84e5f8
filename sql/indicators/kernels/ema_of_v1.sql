/* ---
name: ema_of_v1
title: Exponential moving average of a column, which starts with the mean of n values.
status: active
grain: a scalar with window functions, over rows that have symbol and date
params:
  x: "DOUBLE, a column of the rows; not NULL from bar first - n + 1 on"
  n: the period; the weight of a new value is 2 / (n + 1)
  first: number of the bar at which the average starts, n - 1 if x starts at bar 0
  k: 0-based number of the bar within its symbol
needs: [average_of_v1]
returns: DOUBLE, NULL before bar first
reference: see average_of_v1
example: SELECT ema_of_v1(x, 2, 1, k) FROM (SELECT 'A' AS symbol, DATE '2026-01-01' AS date, 1e0 AS x, 0 AS k)
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE MACRO ema_of_v1(x, n, first, k) AS average_of_v1(x, 2e0 / (n + 1), n, first, k);
