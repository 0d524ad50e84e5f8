/* ---
name: reconcile_reasons
title: The likely reason of each stretch with a constant ratio.
status: active
grain: one row per symbol and stretch
params: {}
needs: [steps/reconcile_ratios]
makes: {reasons: "symbol, first_day, detail"}
returns: temp table reasons
reference: the ratio is compared with the product of the splits after the stretch, and with that of the dividends,
  1 - dividend / previous close, as either side lists them
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE reasons AS
WITH ex_dates AS (
    SELECT side, symbol, date, split_ratio, dividend / (lag(close IGNORE NULLS) OVER (
        PARTITION BY side, symbol ORDER BY date
    ) / coalesce(split_ratio, 1.0)) AS share
    FROM sides
),
later AS (
    SELECT
        c.symbol, c.first_day, e.side,
        product(CASE WHEN e.share < 1 THEN 1 - e.share ELSE 1.0 END) AS dividends,
        product(coalesce(e.split_ratio, 1.0)) AS splits
    FROM stretches AS c
    JOIN ex_dates AS e ON e.symbol = c.symbol AND e.date > c.last_day
    WHERE e.share > 0 OR e.split_ratio <> 1
    GROUP BY c.symbol, c.first_day, e.side
),
signs AS (
    SELECT
        c.symbol, c.first_day,
        coalesce(bool_or(abs(c.ratio - l.dividends) <= c.rounding * (1 + c.ratio)
            OR abs(1 - c.ratio * l.dividends) <= c.rounding * (1 + c.ratio)), false) AS is_dividends,
        coalesce(bool_or(
            l.splits <> 1 AND (abs(c.ratio / l.splits - 1) < 1e-3 OR abs(c.ratio * l.splits - 1) < 1e-3)
        ), false) AS is_split
    FROM stretches AS c
    LEFT JOIN later AS l ON l.symbol = c.symbol AND l.first_day = c.first_day
    GROUP BY c.symbol, c.first_day
)
SELECT
    c.symbol, c.first_day,
    CASE
        WHEN r.is_split THEN 'one side is adjusted for a split that the other side does not have'
        WHEN r.is_dividends THEN 'one side is adjusted for dividends'
        WHEN abs(round(log10(c.ratio))) >= 2 AND abs(log10(c.ratio) - round(log10(c.ratio))) < 1e-3
            THEN 'another unit, such as cents for dollars'
        ELSE 'a constant ratio'
    END AS detail
FROM stretches AS c
JOIN signs AS r ON r.symbol = c.symbol AND r.first_day = c.first_day;
