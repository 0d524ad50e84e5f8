/* ---
name: bars__price_sanity
title: "An impossible bar: a close of 0 or less, a negative price or volume, or a high below the low."
status: active
severity: fail
blocking: true
grain: one row per symbol and date
needs: [latest_bars]
returns: symbol, date, detail
reference: it reports only what no market can produce; bars__price_suspicious reports an open of 0, which old bars of
  some sources have
fix: "find the file of a row with `FROM raw_bars`; move it away, or store a correction, which wins as the
  latest fetch, with `stockstream backfill --source files:FILE`"
changes:
  - 2026-11-21 first version
--- */
WITH described AS (
    SELECT symbol, date, CASE
        WHEN NOT (isfinite(coalesce(open, 0)) AND isfinite(coalesce(high, 0)) AND isfinite(coalesce(low, 0))
            AND isfinite(coalesce(close, 0)) AND isfinite(coalesce(adjusted_close, 0)))
            THEN 'a price is no finite number'
        WHEN close <= 0 THEN format('close is {}', close)
        WHEN open < 0 THEN format('open is {}', open)
        WHEN high < 0 THEN format('high is {}', high)
        WHEN low < 0 THEN format('low is {}', low)
        WHEN high < low THEN format('high {} is below low {}', high, low)
        WHEN volume < 0 THEN format('volume is {}', volume)
        WHEN dividend < 0 THEN format('dividend is {}', dividend)
        WHEN split_ratio <= 0 THEN format('split_ratio is {}', split_ratio)
    END AS detail
    FROM latest_bars
)
SELECT symbol, date, detail
FROM described
WHERE detail IS NOT NULL
ORDER BY symbol, date;
