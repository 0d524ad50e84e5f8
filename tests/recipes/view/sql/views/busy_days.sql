/* ---
name: busy_days
title: Number of symbols that were traded per day.
status: active
grain: one row per day
needs: [bars_adjusted]
returns: date, symbols (number of symbols)
example: FROM busy_days LIMIT 10
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE VIEW busy_days AS
SELECT date, count(*) AS symbols
FROM bars_adjusted
GROUP BY date;
