/* ---
name: bars_resampled
title: The stored split-adjusted bars of an interval, such as 3d or weekly.
status: active
grain: one row per symbol and bucket
params: {every: "interval: 3d, 5d, 8d, 13d, 21d, 34d, weekly, monthly, or another that is configured"}
needs: [read_resampled, session_buckets]
variables: [silver]
prices: split-adjusted
returns: the columns of schema/resampled.sql
reference: schema/resampled.sql describes the columns; `stockstream resample` computes them from bars_split_adjusted. An
  interval that the lake does not have is an error that names those that it has; in a lake without resampled bars, the
  views below have no rows
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
  - 2026-11-27 the words week, month and 5; an interval that is not configured is an error
--- */
-- The intervals that the lake has, and the stored table of an interval.
CREATE OR REPLACE MACRO stored_intervals() AS list_transform(
    list_filter(map_keys(coalesce(getvariable('silver'), MAP {})), lambda name: starts_with(name, 'bars_')),
    lambda name: name[6:]
);
CREATE OR REPLACE MACRO resampled_table(every) AS 'bars_' || CASE
    WHEN list_contains(CASE WHEN len(stored_intervals()) > 0 THEN stored_intervals()
        ELSE ['3d', '5d', '8d', '13d', '21d', '34d', 'weekly', 'monthly'] END, interval_name(every))
        THEN interval_name(every)
    ELSE error('no resampled bars of the interval ' || interval_name(every) || ': the lake has '
        || coalesce(nullif(array_to_string(stored_intervals(), ', '), ''), 'none yet')
        || '. STOCKSTREAM_RESAMPLE sets the intervals of `stockstream resample`; resample(''bars_split_adjusted'', '''
        || interval_name(every) || ''') computes them')
END;

CREATE OR REPLACE MACRO bars_resampled(every) AS TABLE
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_resampled(resampled_table(every));

CREATE OR REPLACE VIEW bars_3d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_resampled('bars_3d');

CREATE OR REPLACE VIEW bars_5d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_resampled('bars_5d');

CREATE OR REPLACE VIEW bars_8d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_resampled('bars_8d');

CREATE OR REPLACE VIEW bars_13d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_resampled('bars_13d');

CREATE OR REPLACE VIEW bars_21d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_resampled('bars_21d');

CREATE OR REPLACE VIEW bars_34d AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_resampled('bars_34d');

CREATE OR REPLACE VIEW bars_weekly AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_resampled('bars_weekly');

CREATE OR REPLACE VIEW bars_monthly AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM read_resampled('bars_monthly');
