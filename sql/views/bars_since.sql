/* ---
name: bars_since
title: "The bars from a day on. It reads only the batch files fetched since that day, which is cheap on S3."
status: active
grain: one row per symbol and date
params: {since: DATE or 'YYYY-MM-DD'}
needs: [read_merged]
returns: the columns of bars
reference: a batch file is named after the day of its fetch, and no bar is fetched before its day
example: FROM bars_since('2026-11-01')
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO files_since(since) AS list_filter(
    fresh_files(), lambda f: left(parse_filename(f), 10) >= CAST(CAST(since AS DATE) AS VARCHAR)
);

CREATE OR REPLACE MACRO bars_since(since) AS TABLE
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    fetch_timestamp, dividend, split_ratio, source, price_basis
FROM read_merged(files_since(since))
WHERE close IS NOT NULL AND date >= CAST(since AS DATE);
