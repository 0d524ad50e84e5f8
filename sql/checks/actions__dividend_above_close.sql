/* ---
name: actions__dividend_above_close
title: A dividend that is not below the last close before its ex-date, which bars_adjusted ignores.
status: active
severity: warn
by_symbol: true
grain: one row per symbol and date
needs: [bars_adjusted]
returns: symbol, date, detail
reference: an adjustment by 1 - dividend / close would make earlier prices 0 or negative. The usual causes are cents
  instead of dollars, another currency, and a distribution of another security
fix: "compare with another source; a correction is stored with `stockstream backfill --source files:FILE`"
changes:
  - 2026-11-27 first version
--- */
WITH ex_dates AS (
    SELECT
        symbol, date, dividend,
        lag(close / dividend_factor) OVER (PARTITION BY symbol ORDER BY date) AS last_close
    FROM bars_adjusted
)
SELECT
    symbol, date,
    format('dividend {:.6g} is not below the last close {:.6g}: it does not adjust', dividend, last_close) AS detail
FROM ex_dates
WHERE dividend >= last_close
ORDER BY symbol, date;
