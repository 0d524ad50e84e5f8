/* ---
name: bars__price_sanity
title: "A published number that cannot be: a price of 0 or less, a volume below 0, a high below the low."
status: active
severity: fail
blocking: true
by_symbol: true
grain: one row per symbol and date
needs: [latest_bars]
returns: symbol, date, detail
reference: a safety net, since read_raw judges every row before it is published, and sql/rules says what cannot be. It
  repeats the limits on purpose
fix: "`stockstream consolidate --full` judges all rows again; report what remains"
changes:
  - 2026-11-21 first version
  - 2026-11-27 a price of 0 cannot be
--- */
WITH described AS (
    SELECT symbol, date, CASE
        WHEN NOT (isfinite(coalesce(open, 0)) AND isfinite(coalesce(high, 0)) AND isfinite(coalesce(low, 0))
            AND isfinite(coalesce(close, 0)) AND isfinite(coalesce(adjusted_close, 0)))
            THEN 'a price is no finite number'
        WHEN close <= 0 THEN format('close is {}', close)
        WHEN open <= 0 THEN format('open is {}', open)
        WHEN high <= 0 THEN format('high is {}', high)
        WHEN low <= 0 THEN format('low is {}', low)
        WHEN high < low THEN format('high {} is below low {}', high, low)
        WHEN adjusted_close <= 0 THEN format('adjusted_close is {}', adjusted_close)
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
