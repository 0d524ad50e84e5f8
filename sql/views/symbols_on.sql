/* ---
name: symbols_on
title: "The symbols listed on a day, including those delisted since: the symbols that a backtest may trade on that day."
status: active
grain: one row per symbol
params: {day: DATE or 'YYYY-MM-DD'}
needs: [metadata, sessions]
returns: the columns of metadata
reference: for a day before the lake's first list of companies, only the symbols that Polygon reports are known
example: FROM symbols_on('2026-11-20')
changes:
  - 2026-11-21 first version
  - 2026-11-27 a day that is none is an error
--- */
-- Whether a period of `metadata` counts on a day.
CREATE OR REPLACE MACRO is_listed_on(day, valid_from, valid_to, delisting_date) AS
    (valid_from <= day OR valid_from IS NULL)
    AND (valid_to > day OR valid_to IS NULL)
    AND (delisting_date >= day OR delisting_date IS NULL);

CREATE OR REPLACE MACRO symbols_on(day) AS TABLE
SELECT
    symbol, name, sector, type, exchange, currency, figi, listing_date, delisting_date, renamed_from, renamed_to,
    source, valid_from, valid_to
-- The name of a table is computed when the query is bound, so that a day that is none is an error without rows, too.
FROM query_table(CASE WHEN as_day(day) IS NOT NULL THEN 'metadata' END)
WHERE is_listed_on(as_day(day), valid_from, valid_to, delisting_date);
