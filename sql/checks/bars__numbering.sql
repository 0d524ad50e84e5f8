/* ---
name: bars__numbering
title: A consolidated row whose number or close before is not what its symbol's row before it gives.
status: active
severity: fail
blocking: true
grain: one row per symbol and date
needs: [silver_bars, "in publishing the variable cut (DATE), as in steps/consolidate.sql"]
returns: symbol, date, detail
reference: schema/bars.sql. By the row before, so that it holds for a part of a table as well - what is up to the cut
  may be out of sight, and the first row of a symbol that has not moved goes on from there
fix: "`stockstream consolidate --full` writes silver anew, with its numbers"
changes:
  - 2026-11-21 first version
--- */
WITH expected AS (
    SELECT
        symbol, date, bar_no, prev_close,
        lag(date) OVER before IS NULL AS is_first,
        coalesce(lag(bar_no + CASE WHEN close IS NULL THEN 0 ELSE 1 END) OVER before, 0) AS expected_no,
        lag(coalesce(close, prev_close)) OVER before AS expected_close
    FROM silver_bars
    WINDOW before AS (PARTITION BY symbol ORDER BY date)
)
SELECT
    symbol, date,
    concat(
        'bar_no ', coalesce(CAST(bar_no AS VARCHAR), 'NULL'), ', not ', expected_no,
        '; prev_close ', coalesce(CAST(prev_close AS VARCHAR), 'NULL'),
        ', not ', coalesce(CAST(expected_close AS VARCHAR), 'NULL')
    ) AS detail
FROM expected
WHERE (bar_no IS DISTINCT FROM expected_no OR prev_close IS DISTINCT FROM expected_close)
    AND NOT coalesce(
        is_first AND getvariable('cut') > DATE '0001-01-01' AND NOT list_contains(restated_symbols('bars'), symbol), false
    )
ORDER BY symbol, date;
