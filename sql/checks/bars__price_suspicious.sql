/* ---
name: bars__price_suspicious
title: "A bar that is probably wrong: a tenfold change of the adjusted close."
status: active
severity: warn
by_symbol: true
grain: one row per symbol and date
needs: [bars_adjusted]
returns: symbol, date, detail
reference: it is a warning, because real sources have such bars. Of 722,988 bars of Yahoo, 60 change tenfold, nearly all
  because of wrong units, or of consolidations of shares that are not reported as splits. A price outside low and high
  is NULL since the row was judged, and in the view quarantine
fix: "compare with another source; a correction is stored with `stockstream backfill --source files:FILE`"
changes:
  - 2026-11-21 first version
  - 2026-11-27 prices outside low and high are in quarantine
--- */
WITH steps AS (
    SELECT symbol, date, close, lag(close) OVER (PARTITION BY symbol ORDER BY date) AS previous_close
    FROM bars_adjusted
)
SELECT
    symbol, date,
    format('adjusted close {:.6g} is {:.4g} times the {:.6g} before', close, close / previous_close, previous_close)
    AS detail
FROM steps
WHERE close >= 10 * previous_close OR previous_close >= 10 * close
ORDER BY symbol, date, detail;
