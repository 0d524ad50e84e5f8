/* ---
name: indicator_sums
title: The computed indicators, with the amounts to add to their cumulative sums so that these continue the stored ones.
status: active
grain: one row per symbol and date
params: {}
needs: [steps/indicators]
variables: [since, restated, bucket_from, bucket_until]
sets: [sums_from, sums_through]
tables:
  computed: symbol VARCHAR, date DATE, close DOUBLE
  computed_sums: symbol VARCHAR, date DATE, sums DOUBLE[]
  stored_sums: symbol VARCHAR, date DATE, sums DOUBLE[]
makes: {last_computed: "symbol, date, sums", missing_sums: "symbol, amounts", continued: "symbol, date, close, amounts"}
returns: temp view continued, the columns of computed, then amounts (DOUBLE[] in the order of sums, or NULL)
reference: the caller's views computed_sums and stored_sums contain the cumulative columns (OBV, VWAP) as a list, sums.
  If a computation begins in the middle of the history, its sums begin there, too. The amount to add is the stored
  sum minus the computed one on the last day that is stored
changes:
  - 2026-11-26 first version; it was part of pipeline/steps/refresh_indicators.py
  - 2026-11-27 the stored sums are restricted to the bucket and the last days by constants
--- */
CREATE OR REPLACE TEMP TABLE last_computed AS
SELECT symbol, max(date) AS date, arg_max(sums, date) AS sums
FROM computed_sums
WHERE date <= getvariable('since') AND symbol NOT IN (SELECT symbol FROM whole)
GROUP BY symbol;

SET VARIABLE sums_from = (SELECT min(date) FROM last_computed);
SET VARIABLE sums_through = (SELECT max(date) FROM last_computed);

CREATE OR REPLACE TEMP TABLE missing_sums AS
SELECT
    c.symbol,
    list_transform(list_zip(s.sums, c.sums), lambda pair: coalesce(pair[1] - pair[2], 0.0)) AS amounts
FROM last_computed AS c
JOIN stored_sums AS s ON s.symbol = c.symbol AND s.date = c.date
-- DuckDB pushes constants into the scan, before it makes lists of the sums.
WHERE s.date BETWEEN getvariable('sums_from') AND getvariable('sums_through')
    AND s.symbol >= getvariable('bucket_from') AND s.symbol < getvariable('bucket_until');

CREATE OR REPLACE TEMP VIEW continued AS
SELECT c.*, m.amounts
FROM computed AS c
LEFT JOIN missing_sums AS m ON m.symbol = c.symbol
WHERE c.date > getvariable('since') OR list_contains(getvariable('restated'), c.symbol);
