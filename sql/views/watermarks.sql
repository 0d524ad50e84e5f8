/* ---
name: watermarks
title: "The progress of each step per symbol: the newest bar that was fetched, consolidated, resampled and so on."
status: active
grain: one row per symbol and step
needs: [bars, silver_bars, bars_resampled, indicators]
returns: symbol, step (fetch, consolidate, resample 3d, ..., indicators), last_date (the newest bar that the step has
  processed), bars (number of bars)
reference: computed from the files that the manifest names, so that it cannot disagree with them
example: FROM watermarks WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW watermarks AS
SELECT symbol, 'fetch' AS step, max(date) AS last_date, count(*) AS bars FROM bars GROUP BY symbol
UNION ALL
SELECT symbol, 'consolidate' AS step, max(date) AS last_date, count(*) AS bars
FROM silver_bars WHERE close IS NOT NULL GROUP BY symbol
UNION ALL
SELECT symbol, 'resample 3d' AS step, max(date) AS last_date, count(*) AS bars FROM bars_3d GROUP BY symbol
UNION ALL
SELECT symbol, 'resample 5d' AS step, max(date) AS last_date, count(*) AS bars FROM bars_5d GROUP BY symbol
UNION ALL
SELECT symbol, 'resample 8d' AS step, max(date) AS last_date, count(*) AS bars FROM bars_8d GROUP BY symbol
UNION ALL
SELECT symbol, 'resample 13d' AS step, max(date) AS last_date, count(*) AS bars FROM bars_13d GROUP BY symbol
UNION ALL
SELECT symbol, 'resample 21d' AS step, max(date) AS last_date, count(*) AS bars FROM bars_21d GROUP BY symbol
UNION ALL
SELECT symbol, 'resample 34d' AS step, max(date) AS last_date, count(*) AS bars FROM bars_34d GROUP BY symbol
UNION ALL
SELECT symbol, 'resample weekly' AS step, max(date) AS last_date, count(*) AS bars FROM bars_weekly GROUP BY symbol
UNION ALL
SELECT symbol, 'resample monthly' AS step, max(date) AS last_date, count(*) AS bars FROM bars_monthly GROUP BY symbol
UNION ALL
SELECT symbol, 'indicators' AS step, max(date) AS last_date, count(*) AS bars FROM indicators GROUP BY symbol;
