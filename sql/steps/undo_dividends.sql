/* ---
name: undo_dividends
title: Total-return prices converted to prices that contain splits only, so that dividends are not applied twice.
status: active
grain: one row per symbol and date
params: {}
needs: []
tables:
  bars_of_files: "symbol VARCHAR, date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT,
    adjusted_close DOUBLE, dividend DOUBLE, split_ratio DOUBLE, as_traded BOOLEAN, price_basis DATE, file INTEGER,
    line BIGINT"
makes:
  bars_of_files: symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, as_traded,
    price_basis, file, line
returns: table bars_of_files; adjusted_close is the close of the file
reference: with A the price in the file and D a dividend, A = C * product(1 - D / previous C) over the later ex-dates,
  which is C = A * (1 + sum(D / previous A)). The view bars_adjusted returns A
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TABLE bars_of_files AS
WITH previous AS (
    SELECT
        symbol, date, open, high, low, close, volume, dividend, split_ratio, as_traded, price_basis, file, line,
        lag(CASE WHEN close > 0 THEN close END IGNORE NULLS) OVER (PARTITION BY symbol ORDER BY date) AS previous_close
    FROM bars_of_files
),
factors AS (
    SELECT
        symbol, date, open, high, low, close, volume, dividend, split_ratio, as_traded, price_basis, file, line,
        1.0 + coalesce(
            sum(coalesce(dividend, 0.0) / previous_close) OVER (
                PARTITION BY symbol ORDER BY date ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
            ),
            0.0
        ) AS factor
    FROM previous
)
SELECT
    symbol, date, open * factor AS open, high * factor AS high, low * factor AS low, close * factor AS close, volume,
    close AS adjusted_close, dividend, split_ratio, as_traded, price_basis, file, line
FROM factors;
