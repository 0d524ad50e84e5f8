/* ---
name: accept
title: The rows of a source's answer that may be stored.
status: active
grain: one row per symbol and date
params: {}
needs: [steps/repeated, rules/number_faults]
makes:
  accepted: symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis, came
returns: temp table accepted; close is NULL if the source has not reported it yet, or reports one that cannot be; `came`
  has the numbers as they came, which are those to store
changes:
  - 2026-11-21 first version
  - 2026-11-27 numbers that cannot be are NULL; of rows that differ, what they agree on
--- */
CREATE OR REPLACE TEMP TABLE accepted AS
SELECT
    symbol, date,
    CASE WHEN faults[1] IS NULL THEN open END AS open,
    CASE WHEN faults[2] IS NULL THEN high END AS high,
    CASE WHEN faults[3] IS NULL THEN low END AS low,
    CASE WHEN faults[4] IS NULL THEN close END AS close,
    CASE WHEN volume_fault(volume) IS NULL THEN volume END AS volume,
    CASE WHEN price_fault(adjusted_close) IS NULL THEN adjusted_close END AS adjusted_close,
    CASE WHEN dividend_fault(dividend) IS NULL THEN dividend END AS dividend,
    CASE WHEN split_ratio_fault(split_ratio) IS NULL THEN split_ratio END AS split_ratio,
    price_basis,
    {
        open: open, high: high, low: low, close: close, volume: volume, adjusted_close: adjusted_close,
        dividend: dividend, split_ratio: split_ratio
    } AS came
FROM (
    SELECT
        a.symbol, a.date, a.open, a.high, a.low, a.close, a.volume, a.adjusted_close, a.dividend, a.split_ratio,
        a.price_basis, a.faults
    FROM arrived AS a
    ANTI JOIN repeated AS r ON r.symbol = a.symbol AND r.date = a.date
    WHERE NOT a.is_empty
    UNION ALL
    SELECT
        symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis,
        price_faults(open, high, low, close)
    FROM repeated
) AS candidates;
