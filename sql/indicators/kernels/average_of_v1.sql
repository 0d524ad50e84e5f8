/* ---
name: average_of_v1
title: "An exponential average y[k] = y[k - 1] + weight * (x[k] - y[k - 1]) that starts with the mean of n values."
status: active
grain: a scalar with window functions, over rows that have symbol and date
params:
  x: "DOUBLE, a column of the rows; not NULL from bar first - n + 1 on"
  weight: "constant, 0 < weight < 1"
  n: number of values in the mean that y starts with
  first: number of the bar at which y starts, the last of these n
  k: 0-based number of the bar within its symbol
needs: [decayed_v1]
returns: DOUBLE, NULL before bar first
reference: each of the first n values has a weight with which the recursion has decayed it to x / n at bar first, where
  their sum is the mean, so that one recursion computes all bars. Indicators call it as ema_of_v1 and wilder_of_v1
example: SELECT average_of_v1(x, 0.5, 2, 1, k) FROM (SELECT 'A' AS symbol, DATE '2026-01-01' AS date, 1e0 AS x, 0 AS k)
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE MACRO average_of_v1(x, weight, n, first, k) AS
CASE WHEN k >= first THEN decayed_v1(
    CASE WHEN k > first THEN weight * x WHEN k > first - n THEN x * pow(1 - weight, k - first) / n ELSE 0e0 END,
    1 - weight, k
) END;
