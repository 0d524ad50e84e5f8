/* ---
name: repeated
title: "What the rows agree on, for the days of which an answer has several rows."
status: active
grain: one row per symbol and date
params: {}
needs: [steps/arrive, rules/number_faults]
makes:
  several: symbol, date, price_basis, file, line, open, high, low, close, volume, adjusted_close, dividend, split_ratio,
    is_bar
  repeated: symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis, file, line
returns: temp tables several, the judged rows, and repeated, with NULL where they differ
reference: of a row without a close beside one with a close, only the dividend and the split count. That there is none
  contradicts no dividend and no split. The order of the rows does not matter
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE several AS
WITH judged AS (
    SELECT
        a.symbol, a.date, a.price_basis, a.file, a.line,
        CASE WHEN a.faults[1] IS NULL THEN a.open END AS open,
        CASE WHEN a.faults[2] IS NULL THEN a.high END AS high,
        CASE WHEN a.faults[3] IS NULL THEN a.low END AS low,
        CASE WHEN a.faults[4] IS NULL THEN a.close END AS close,
        CASE WHEN volume_fault(a.volume) IS NULL THEN a.volume END AS volume,
        CASE WHEN price_fault(a.adjusted_close) IS NULL THEN a.adjusted_close END AS adjusted_close,
        CASE WHEN dividend_fault(a.dividend) IS NULL THEN a.dividend END AS dividend,
        CASE WHEN split_ratio_fault(a.split_ratio) IS NULL THEN a.split_ratio END AS split_ratio
    FROM arrived AS a
    SEMI JOIN (
        SELECT symbol, date FROM arrived WHERE NOT is_empty GROUP BY symbol, date HAVING count(*) > 1
    ) AS r ON r.symbol = a.symbol AND r.date = a.date
    WHERE NOT a.is_empty
)
SELECT
    symbol, date, price_basis, file, line, open, high, low, close, volume, adjusted_close, dividend, split_ratio,
    close IS NOT NULL OR max(close) OVER (PARTITION BY symbol, date) IS NULL AS is_bar
FROM judged;

CREATE OR REPLACE MACRO agreed(smallest, largest) AS CASE WHEN smallest = largest THEN smallest END;

CREATE OR REPLACE TEMP TABLE repeated AS
SELECT
    symbol, date,
    agreed(min(open) FILTER (WHERE is_bar), max(open) FILTER (WHERE is_bar)) AS open,
    agreed(min(high) FILTER (WHERE is_bar), max(high) FILTER (WHERE is_bar)) AS high,
    agreed(min(low) FILTER (WHERE is_bar), max(low) FILTER (WHERE is_bar)) AS low,
    agreed(min(close) FILTER (WHERE is_bar), max(close) FILTER (WHERE is_bar)) AS close,
    agreed(min(volume) FILTER (WHERE is_bar), max(volume) FILTER (WHERE is_bar)) AS volume,
    agreed(min(adjusted_close) FILTER (WHERE is_bar), max(adjusted_close) FILTER (WHERE is_bar)) AS adjusted_close,
    CASE WHEN max(dividend) = 0 THEN 0 ELSE agreed(min(nullif(dividend, 0)), max(nullif(dividend, 0))) END AS dividend,
    coalesce(
        agreed(min(nullif(split_ratio, 1)), max(nullif(split_ratio, 1))),
        CASE WHEN count(nullif(split_ratio, 1)) = 0 THEN max(split_ratio) END
    ) AS split_ratio,
    max(price_basis) AS price_basis, min(file) AS file, min(line) AS line
FROM several
GROUP BY symbol, date;
