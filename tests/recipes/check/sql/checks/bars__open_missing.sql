/* ---
name: bars__open_missing
title: A bar that has a close and a volume, but no open.
status: active
severity: warn
grain: one row per symbol and date
needs: [bars]
returns: symbol, date, detail
fix: fetch the day again with `stockstream backfill`; a source without opening prices is no fault
changes:
  - 2026-11-26 first version
--- */
SELECT symbol, date, 'volume ' || volume || ' without an open' AS detail
FROM bars
WHERE open IS NULL AND volume > 0
ORDER BY symbol, date;
