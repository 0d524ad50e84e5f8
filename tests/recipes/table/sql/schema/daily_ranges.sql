/* ---
name: daily_ranges
title: The range of each bar in per cent of its close.
status: active
grain: one row per symbol and date
needs: []
returns: the columns below
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE TEMP TABLE daily_ranges (
    symbol     VARCHAR,
    date       DATE,
    range_pct  DOUBLE   -- 100 * (high - low) / close, percent
);
