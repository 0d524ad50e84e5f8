/* ---
name: symbols_on
title: "The symbols listed on a day, including those delisted since: the symbols that a backtest may trade on that day."
status: active
grain: one row per symbol
params: {day: DATE or 'YYYY-MM-DD'}
needs: [metadata]
returns: symbol, name, sector, type, exchange, currency, figi, listing_date, delisting_date, renamed_from, renamed_to,
  source, valid_from, valid_to
reference: for a day before the lake's first list of companies, only the symbols that Polygon reports are known
example: FROM symbols_on('2026-11-20')
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO symbols_on(day) AS TABLE
SELECT
    symbol, name, sector, type, exchange, currency, figi, listing_date, delisting_date, renamed_from, renamed_to,
    source, valid_from, valid_to
FROM metadata
WHERE (valid_from <= CAST(day AS DATE) OR valid_from IS NULL)
    AND (valid_to > CAST(day AS DATE) OR valid_to IS NULL)
    AND (delisting_date >= CAST(day AS DATE) OR delisting_date IS NULL);
