/* ---
name: unsettled
title: Rows held back because the source gave no close yet; the next run asks again.
status: active
grain: one row per symbol and date
needs: [latest_bars]
returns: symbol, date, volume, fetch_timestamp, source
example: FROM unsettled ORDER BY date DESC
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW unsettled AS
SELECT symbol, date, volume, fetch_timestamp, source
FROM latest_bars
WHERE close IS NULL;

COMMENT ON VIEW unsettled IS 'Rows held back because the source gave no close yet; the next run asks again.';
