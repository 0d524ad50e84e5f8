/* ---
name: bars__price_suspicious
title: A bar as wrong as real sources often are - a price outside low and high, or ten times the previous one.
status: active
severity: warn
grain: one row per symbol, date and reason
needs: [bars, bars_adjusted]
returns: symbol, date, detail
reference: adjusted closes are compared. Of 722,988 bars of Yahoo, 519 lie outside low and high, and 60 steps are
  tenfold, nearly all of them wrong units, or consolidations of shares that are not reported as splits
fix: "compare with another source; a correction is stored with `stockstream backfill --source files:FILE`"
changes:
  - 2026-11-21 first version
--- */
WITH steps AS (
    SELECT symbol, date, close, lag(close) OVER (PARTITION BY symbol ORDER BY date) AS previous_close
    FROM bars_adjusted
)
SELECT
    symbol, date,
    CASE
        WHEN close > high THEN format('close {:.6g} is above high {:.6g}', close, high)
        WHEN close < low THEN format('close {:.6g} is below low {:.6g}', close, low)
        WHEN open > high THEN format('open {:.6g} is above high {:.6g}', open, high)
        ELSE format('open {:.6g} is below low {:.6g}', open, low)
    END AS detail
FROM bars
WHERE open > high OR open < low OR close > high OR close < low
UNION ALL
SELECT
    symbol, date,
    format('adjusted close {:.6g} is {:.4g} times the {:.6g} before', close, close / previous_close, previous_close)
FROM steps
WHERE close >= 10 * previous_close OR previous_close >= 10 * close
ORDER BY symbol, date, detail;
