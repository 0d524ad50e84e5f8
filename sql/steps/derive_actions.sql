/* ---
name: derive_actions
title: Dividends and splits derived from the steps between close and adjusted close, for files that do not list them.
status: active
grain: one row per symbol and date
params: {}
needs: []
tables: {bars_of_files: "symbol VARCHAR, date DATE, close DOUBLE, adjusted_close DOUBLE, as_traded BOOLEAN"}
returns: symbol, date, dividend, split_ratio, tolerance (share of the price that rounding explains), is_too_small
reference: the factor adjusted_close / close steps by 1 / (1 - dividend / previous close) at an ex-date, and by the
  ratio of the split if the closes are as traded. A number is exact to half a unit of the last digit that the symbol's
  column has, or to 2^-24 of itself, the precision of a 4-byte number
changes:
  - 2026-11-21 first version
  - 2026-11-27 the tolerance follows from the digits of the columns
--- */
WITH units AS (
    SELECT
        symbol,
        0.5 * pow(10.0, -max(length(split_part(CAST(adjusted_close AS VARCHAR), '.', 2)))) AS half_unit
    FROM bars_of_files
    WHERE close > 0 AND adjusted_close > 0
    GROUP BY symbol
),
factors AS (
    SELECT
        b.symbol, b.date, b.as_traded, b.close, b.adjusted_close / b.close AS factor,
        -- The close is a price that was traded, exact but for its 4 bytes; the adjusted close is rounded.
        2.0 * pow(2.0, -24) + u.half_unit / b.adjusted_close AS tolerance
    FROM bars_of_files AS b
    JOIN units AS u ON u.symbol = b.symbol
    WHERE b.close > 0 AND b.adjusted_close > 0
),
steps AS (
    SELECT
        symbol, date, as_traded,
        lag(close) OVER (PARTITION BY symbol ORDER BY date) AS previous_close,
        factor / lag(factor) OVER (PARTITION BY symbol ORDER BY date) AS step,
        tolerance + lag(tolerance) OVER (PARTITION BY symbol ORDER BY date) AS tolerance
    FROM factors
),
ratios AS (
    SELECT
        symbol, date, previous_close, step, tolerance,
        -- A step outside 0.84 to 1.19 by a ratio of small whole numbers (2 for 1, 3 for 2, 1 for 10) is a split.
        CASE
            WHEN NOT as_traded OR step BETWEEN 0.84 AND 1.19 THEN NULL
            WHEN abs(step - round(step * 12) / 12) < 0.002 * step THEN round(step * 12) / 12
            WHEN abs(1 / step - round(12 / step) / 12) < 0.002 / step THEN 12 / round(12 / step)
        END AS split_ratio
    FROM steps
)
SELECT
    symbol,
    date,
    CASE WHEN split_ratio IS NULL AND step > 1.0 + tolerance THEN previous_close * (1 - 1 / step) ELSE 0.0 END
        AS dividend,
    coalesce(split_ratio, 1.0) AS split_ratio,
    tolerance,
    -- Four roundings of 2^-53 are in a step of two equal factors.
    coalesce(abs(step - 1.0) > pow(2.0, -51) AND abs(step - 1.0) <= tolerance, false) AS is_too_small
FROM ratios;
