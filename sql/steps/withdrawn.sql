/* ---
name: withdrawn
title: The days whose rows without a close the new answer withdraws.
status: active
grain: one row per symbol and date
params:
  basis_is_declared: BOOLEAN, whether the user has declared the price basis
needs: [steps/accept, steps/stored, steps/held]
tables: {answered: "symbol VARCHAR"}
makes:
  withdrawn: symbol, date
returns: temp table withdrawn
reference: a row without a close is pending, or was held back. It is withdrawn by an empty row, or by an answer of a
  vendor that covers the day and does not have it. A bar with a close is never withdrawn
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE withdrawn AS
SELECT w.symbol, w.date
FROM (
    SELECT symbol, date FROM stored WHERE close IS NULL AND NOT is_empty
    UNION
    SELECT symbol, date FROM held WHERE date IS NOT NULL AND NOT is_repeated
) AS w
ANTI JOIN (SELECT symbol, date FROM stored WHERE close IS NOT NULL) AS s ON s.symbol = w.symbol AND s.date = w.date
ANTI JOIN (SELECT symbol, date FROM accepted UNION ALL SELECT symbol, date FROM faulty) AS a
    ON a.symbol = w.symbol AND a.date = w.date
LEFT JOIN (SELECT symbol, date FROM arrived WHERE is_empty GROUP BY symbol, date) AS e
    ON e.symbol = w.symbol AND e.date = w.date
LEFT JOIN answered AS n ON n.symbol = w.symbol
-- A vendor that answers without this day has no bar of it; a person's file may have only some days.
WHERE e.symbol IS NOT NULL OR (n.symbol IS NOT NULL AND NOT $basis_is_declared);
