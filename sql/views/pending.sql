/* ---
name: pending
title: Rows held back because the source has not reported a close yet; the next run requests them again.
status: active
grain: one row per symbol and date
needs: [latest_bars]
prices: as stored
returns: symbol, date, volume, fetch_timestamp, source
example: FROM pending ORDER BY date DESC
changes:
  - 2026-11-26 first version; the new name of unsettled
--- */
CREATE OR REPLACE VIEW pending AS
SELECT symbol, date, volume, fetch_timestamp, source
FROM latest_bars
WHERE close IS NULL
    -- A row without any value withdraws an earlier one: there is no bar.
    AND coalesce(open, high, low, volume, adjusted_close, dividend, split_ratio) IS NOT NULL;
