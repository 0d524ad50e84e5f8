/* ---
name: bars__price_suspicious
title: "A bar that is probably wrong: an open or close outside low and high, or a tenfold change of the adjusted close."
status: active
severity: warn
grain: one row per symbol, date and reason
needs: [bars, bars_adjusted]
returns: symbol, date, detail
reference: it is a warning, because real sources have such bars. A price outside low and high is NULL since the row was
  judged, and in the view quarantine; silver that an earlier version wrote may have some. Of 722,988 bars of Yahoo, 60
  change tenfold, nearly all because of wrong units, or of consolidations of shares that are not reported as splits
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
        WHEN close > high * 1.000001 THEN format('close {:.6g} is above high {:.6g}', close, high)
        WHEN close < low * 0.999999 THEN format('close {:.6g} is below low {:.6g}', close, low)
        WHEN open > high * 1.000001 THEN format('open {:.6g} is above high {:.6g}', open, high)
        ELSE format('open {:.6g} is below low {:.6g}', open, low)
    END AS detail
FROM bars
WHERE greatest(coalesce(open, close), close) > high * 1.000001 OR least(coalesce(open, close), close) < low * 0.999999
UNION ALL
SELECT
    symbol, date,
    format('adjusted close {:.6g} is {:.4g} times the {:.6g} before', close, close / previous_close, previous_close)
FROM steps
WHERE close >= 10 * previous_close OR previous_close >= 10 * close
ORDER BY symbol, date, detail;
