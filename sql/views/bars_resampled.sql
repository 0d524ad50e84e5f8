/* ---
name: bars_resampled
title: The stored split-adjusted bars of an interval, such as 3d or weekly.
status: active
grain: one row per symbol and bucket
params: {every: "interval: 3d, 5d, 8d, 13d, 21d, 34d, weekly, monthly, or another that is configured"}
needs: [silver_bars]
variables: [sql_home]
returns: symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
reference: schema/resampled.sql describes the columns; `stockstream resample` computes them from bars_split_adjusted
example: FROM bars_resampled('5d') WHERE symbol = 'BHP' ORDER BY date
makes:
  bars_3d: Split-adjusted bars of 3 sessions.
  bars_5d: Split-adjusted bars of 5 sessions.
  bars_8d: Split-adjusted bars of 8 sessions.
  bars_13d: Split-adjusted bars of 13 sessions.
  bars_21d: Split-adjusted bars of 21 sessions.
  bars_34d: Split-adjusted bars of 34 sessions.
  bars_weekly: Split-adjusted bars per week.
  bars_monthly: Split-adjusted bars per month.
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO bars_resampled(every) AS TABLE
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_parquet(
    list_concat([getvariable('sql_home') || '/schema/resampled.parquet'], silver_files('bars_' || every, 'base'))
)
WHERE NOT list_contains(restated_symbols('bars_' || every), symbol)
UNION ALL
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_parquet(
    list_concat([getvariable('sql_home') || '/schema/resampled.parquet'], silver_files('bars_' || every, 'delta'))
);

CREATE OR REPLACE VIEW bars_3d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('3d');

CREATE OR REPLACE VIEW bars_5d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('5d');

CREATE OR REPLACE VIEW bars_8d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('8d');

CREATE OR REPLACE VIEW bars_13d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('13d');

CREATE OR REPLACE VIEW bars_21d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('21d');

CREATE OR REPLACE VIEW bars_34d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('34d');

CREATE OR REPLACE VIEW bars_weekly AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('weekly');

CREATE OR REPLACE VIEW bars_monthly AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('monthly');
