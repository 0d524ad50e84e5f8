/* ---
name: bars_since
title: "The bars from a day on. It reads only the batch files fetched since that day, which is cheap on S3."
status: active
grain: one row per symbol and date
params: {since: DATE or 'YYYY-MM-DD'}
needs: [read_merged, sessions]
prices: as stored
returns: the columns of bars
reference: a batch file is named after the day of its fetch, and no bar is fetched before its day
example: FROM bars_since('2026-11-01')
changes:
  - 2026-11-21 first version
  - 2026-11-27 a day that is none is an error
--- */
CREATE OR REPLACE MACRO files_since(since) AS CASE WHEN as_day(since) IS NOT NULL THEN list_filter(
    fresh_files(), lambda f: left(parse_filename(f), 10) >= CAST(as_day(since) AS VARCHAR)
) END;

CREATE OR REPLACE MACRO bars_since(since) AS TABLE
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
FROM read_merged(files_since(since))
WHERE close IS NOT NULL AND date >= as_day(since);
