/* ---
name: derive_actions
title: Dividends and splits derived from the steps between close and adjusted close, for files that do not list them.
status: active
grain: one row per symbol and date
params: {}
needs: []
tables: {bars_of_files: "symbol VARCHAR, date DATE, close DOUBLE, adjusted_close DOUBLE, as_traded BOOLEAN"}
returns: symbol, date, dividend, split_ratio
reference: the factor adjusted_close / close steps by 1 / (1 - dividend / previous close) at an ex-date, and by the
  ratio of the split if the closes are as traded
changes:
  - 2026-11-21 first version
--- */
WITH factors AS (
    SELECT
        symbol, date, as_traded, adjusted_close,
        lag(close) OVER (PARTITION BY symbol ORDER BY date) AS previous_close,
        (adjusted_close / close)
            / lag(adjusted_close / close) OVER (PARTITION BY symbol ORDER BY date) AS step
    FROM bars_of_files
    WHERE close > 0 AND adjusted_close > 0
),
steps AS (
    SELECT
        symbol, date, previous_close,
        -- Adjusted closes are often rounded to a cent: a smaller step may come from rounding.
        CASE WHEN abs(step - 1) > greatest(1e-3, 0.02 / adjusted_close) THEN step ELSE 1.0 END AS step,
        -- A step outside 0.84 to 1.19 by a ratio of small whole numbers (2 for 1, 3 for 2, 1 for 10) is a split.
        CASE
            WHEN NOT as_traded OR step BETWEEN 0.84 AND 1.19 THEN NULL
            WHEN abs(step - round(step * 12) / 12) < 0.002 * step THEN round(step * 12) / 12
            WHEN abs(1 / step - round(12 / step) / 12) < 0.002 / step THEN 12 / round(12 / step)
        END AS split_ratio
    FROM factors
)
SELECT
    symbol,
    date,
    CASE WHEN split_ratio IS NULL AND step > 1 THEN previous_close * (1 - 1 / step) ELSE 0.0 END AS dividend,
    coalesce(split_ratio, 1.0) AS split_ratio
FROM steps
