/* ---
name: indicator_sums
title: The computed indicators, with the amount by which the sums since a symbol's first bar must be increased.
status: active
grain: one row per symbol and date
params: {}
needs: [steps/indicators]
variables: [since, restated]
tables:
  computed: symbol VARCHAR, date DATE, close DOUBLE
  computed_sums: symbol VARCHAR, date DATE, sums DOUBLE[]
  stored_sums: symbol VARCHAR, date DATE, sums DOUBLE[]
makes: {missing_sums: "symbol, amounts", continued: "symbol, date, close, amounts"}
returns: temp view continued, the columns of computed, then amounts (DOUBLE[] in the order of sums, or NULL)
reference: the caller's views computed_sums and stored_sums have the columns that are such sums, as a list. A computation
  that begins in the middle of the history gives sums (OBV, VWAP) that begin there, too. On the last day that is stored
  the difference to the stored sum is the amount that is missing
changes:
  - 2026-11-26 first version; it was part of pipeline/steps/refresh_indicators.py
--- */
CREATE OR REPLACE TEMP TABLE missing_sums AS
WITH last_stored AS (
    SELECT symbol, max(date) AS date, arg_max(sums, date) AS sums
    FROM computed_sums
    WHERE date <= getvariable('since') AND symbol NOT IN (SELECT symbol FROM whole)
    GROUP BY symbol
)
SELECT
    c.symbol,
    list_transform(list_zip(s.sums, c.sums), lambda pair: coalesce(pair[1] - pair[2], 0.0)) AS amounts
FROM last_stored AS c
JOIN stored_sums AS s ON s.symbol = c.symbol AND s.date = c.date;

CREATE OR REPLACE TEMP VIEW continued AS
SELECT c.*, m.amounts
FROM computed AS c
LEFT JOIN missing_sums AS m ON m.symbol = c.symbol
WHERE c.date > getvariable('since') OR list_contains(getvariable('restated'), c.symbol);
