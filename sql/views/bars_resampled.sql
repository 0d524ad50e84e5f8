/* ---
name: bars_resampled
title: "The stored bars of an interval, such as 3d or weekly; bars_3d, bars_weekly and so on are its shorthands."
status: active
grain: one row per symbol and bucket
params: {every: "3d, 5d, 8d, 13d, 21d, 34d, weekly, monthly, or what else is configured"}
needs: [silver_bars]
returns: symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
reference: schema/resampled.sql says what each column is; made of bars_split_adjusted by `stockstream resample`
example: FROM bars_resampled('5d') WHERE symbol = 'BHP' ORDER BY date
makes: [bars_3d, bars_5d, bars_8d, bars_13d, bars_21d, bars_34d, bars_weekly, bars_monthly]
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

COMMENT ON MACRO TABLE bars_resampled IS
    'The stored bars of an interval, such as 3d or weekly; bars_3d, bars_weekly and so on are its shorthands.';

CREATE OR REPLACE VIEW bars_3d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('3d');
COMMENT ON VIEW bars_3d IS 'Split-adjusted bars of 3 sessions.';

CREATE OR REPLACE VIEW bars_5d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('5d');
COMMENT ON VIEW bars_5d IS 'Split-adjusted bars of 5 sessions.';

CREATE OR REPLACE VIEW bars_8d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('8d');
COMMENT ON VIEW bars_8d IS 'Split-adjusted bars of 8 sessions.';

CREATE OR REPLACE VIEW bars_13d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('13d');
COMMENT ON VIEW bars_13d IS 'Split-adjusted bars of 13 sessions.';

CREATE OR REPLACE VIEW bars_21d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('21d');
COMMENT ON VIEW bars_21d IS 'Split-adjusted bars of 21 sessions.';

CREATE OR REPLACE VIEW bars_34d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('34d');
COMMENT ON VIEW bars_34d IS 'Split-adjusted bars of 34 sessions.';

CREATE OR REPLACE VIEW bars_weekly AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('weekly');
COMMENT ON VIEW bars_weekly IS 'Split-adjusted bars of a week.';

CREATE OR REPLACE VIEW bars_monthly AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open FROM bars_resampled('monthly');
COMMENT ON VIEW bars_monthly IS 'Split-adjusted bars of a month.';
