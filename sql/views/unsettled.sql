/* ---
name: unsettled
title: The old name of the view pending.
status: deprecated
grain: one row per symbol and date
needs: [pending]
prices: as stored
returns: the columns of pending
example: FROM unsettled ORDER BY date DESC
changes:
  - 2026-11-21 first version
  - 2026-11-26 renamed to pending; the name stays
--- */
CREATE OR REPLACE VIEW unsettled AS
SELECT symbol, date, volume, fetch_timestamp, source FROM pending;
