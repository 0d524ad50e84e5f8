/* ---
name: reconcile_judged
title: The rows of both sides of a reconciliation, without values that cannot be.
status: active
grain: one row per side, symbol and date
params: {}
needs: [rules/number_faults, rules/price_faults]
tables:
  here_rows: "symbol VARCHAR, date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT,
    dividend DOUBLE, split_ratio DOUBLE, price_basis DATE"
  there_rows: "symbol VARCHAR, date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT,
    dividend DOUBLE, split_ratio DOUBLE, price_basis DATE"
makes: {judged: "side, symbol, date, open, high, low, close, volume, dividend, split_ratio, price_basis"}
returns: temp table judged; a row without a close is no bar, but may have an action
reference: the rules are those of the door (rules/). It also creates the macro digits_of, the
  number of digits after the point, at least 2; float32's noise does not count
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP MACRO digits_of(v) AS CASE
    WHEN abs(v - round(v, 7)) > abs(v) * 6e-8 THEN 8
    WHEN abs(v - round(v, 6)) > abs(v) * 6e-8 THEN 7
    WHEN abs(v - round(v, 5)) > abs(v) * 6e-8 THEN 6
    WHEN abs(v - round(v, 4)) > abs(v) * 6e-8 THEN 5
    WHEN abs(v - round(v, 3)) > abs(v) * 6e-8 THEN 4
    WHEN abs(v - round(v, 2)) > abs(v) * 6e-8 THEN 3
    ELSE 2
END;
CREATE OR REPLACE TEMP TABLE judged AS
WITH both_sides AS (
    SELECT
        'here' AS side, symbol, date, open, high, low, close, volume, dividend, split_ratio, price_basis
    FROM here_rows
    UNION ALL
    SELECT 'there', symbol, date, open, high, low, close, volume, dividend, split_ratio, price_basis
    FROM there_rows
),
with_faults AS (
    SELECT
        side, symbol, date, open, high, low, close, volume, dividend, split_ratio, price_basis,
        price_faults(open, high, low, close) AS faults
    FROM both_sides
)
SELECT
    side, symbol, date,
    CASE WHEN isfinite(open) AND faults[1] IS NULL THEN open END AS open,
    CASE WHEN isfinite(high) AND faults[2] IS NULL THEN high END AS high,
    CASE WHEN isfinite(low) AND faults[3] IS NULL THEN low END AS low,
    CASE WHEN isfinite(close) AND faults[4] IS NULL THEN close END AS close,
    CASE WHEN volume_fault(volume) IS NULL THEN volume END AS volume,
    CASE WHEN isfinite(dividend) AND dividend_fault(dividend) IS NULL THEN dividend END AS dividend,
    CASE WHEN isfinite(split_ratio) AND split_ratio_fault(split_ratio) IS NULL THEN split_ratio END AS split_ratio,
    coalesce(price_basis, date) AS price_basis
FROM with_faults
QUALIFY row_number() OVER (
    PARTITION BY side, symbol, date
    ORDER BY coalesce(close > 0, false) DESC, volume DESC NULLS LAST, close DESC NULLS LAST, open DESC NULLS LAST,
        high DESC NULLS LAST, low DESC NULLS LAST, dividend DESC NULLS LAST, split_ratio DESC NULLS LAST
) = 1;
