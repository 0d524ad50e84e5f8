/* ---
name: rescued
title: "The bars that damaged files had: which of them another file has, and which none has."
status: active
grain: one row per symbol and date, in both tables
params: {}
needs: []
tables:
  held: "symbol VARCHAR, date DATE"
  expected: "symbol VARCHAR, date DATE, object VARCHAR"
  candidates: "symbol VARCHAR, date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT,
    adjusted_close DOUBLE, fetch_timestamp VARCHAR, dividend DOUBLE, split_ratio DOUBLE, source VARCHAR,
    price_basis DATE, object VARCHAR, is_intact BOOLEAN"
makes:
  rescued: symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp, dividend, split_ratio, source,
    price_basis, object, is_intact
  lost: symbol, date, object
returns: temp tables rescued and lost; `object` is the file that has, or had, the row
reference: held are the keys of intact files; of several candidates the one of an intact file is preferred, then as in
  read_merged
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE rescued AS
SELECT
    c.symbol, c.date, c.open, c.high, c.low, c.close, c.volume, c.adjusted_close, c.fetch_timestamp, c.dividend,
    c.split_ratio, c.source, c.price_basis, c.object, c.is_intact
FROM candidates AS c
ANTI JOIN held AS h ON h.symbol = c.symbol AND h.date = c.date
QUALIFY row_number() OVER (
    PARTITION BY c.symbol, c.date
    ORDER BY NOT c.is_intact, c.close IS NULL, c.fetch_timestamp DESC, c.close DESC, c.object
) = 1;

CREATE OR REPLACE TEMP TABLE lost AS
SELECT e.symbol, e.date, min(e.object) AS object
FROM expected AS e
ANTI JOIN held AS h ON h.symbol = e.symbol AND h.date = e.date
ANTI JOIN rescued AS r ON r.symbol = e.symbol AND r.date = e.date
GROUP BY e.symbol, e.date;
