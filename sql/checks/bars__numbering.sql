/* ---
name: bars__numbering
title: A consolidated row whose bar_no or prev_close does not follow from the symbol's previous row.
status: active
severity: fail
blocking: true
by_symbol: true
grain: one row per symbol and date
needs: [silver_bars]
variables: [cut]
returns: symbol, date, detail
reference: schema/bars.sql defines the columns. Each row is compared with the previous one, so that the check works on a
  part of a table, too. Before a publication rows up to `cut` are not visible; the first visible row of a symbol that
  is not restated continues their numbers and is not checked
fix: "`stockstream consolidate --full` rewrites silver, with its numbers"
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
        is_first AND getvariable('cut') > DATE '0001-01-01' AND NOT list_contains(restated_symbols('bars'), symbol),
        false
    )
ORDER BY symbol, date;
