/* ---
name: reconcile_ratios
title: Stretches of days on which the closes of the two sides have a constant ratio other than 1.
status: active
grain: one row per symbol and stretch
params: {}
needs: [steps/reconcile_shifts]
makes: {stretches: "symbol, first_day, last_day, bars, here, there, ratio, rounding"}
returns: temp table stretches; rounding is the part of ratio that the rounding of prices explains
reference: the ratio is constant if a day's close differs from that of the ratio before by no more than the rounding
  of the four closes explains; a stretch has at least five bars beyond the tolerance
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE stretches AS
WITH common AS (
    SELECT
        p.symbol, p.date, p.here.close AS here, p.there.close AS there, p.tick, p.max_difference,
        lag(p.there.close / p.here.close) OVER (PARTITION BY p.symbol ORDER BY p.date) AS ratio_before,
        lag(p.here.close) OVER (PARTITION BY p.symbol ORDER BY p.date) AS here_before
    FROM pairs AS p
    ANTI JOIN shifts AS s ON s.symbol = p.symbol AND s.date = p.date
    WHERE p.here IS NOT NULL AND p.there IS NOT NULL
),
numbered AS (
    SELECT
        symbol, date, here, there, tick, max_difference,
        count(*) FILTER (WHERE NOT coalesce(
            abs(there - here * ratio_before) <= 0.5 * tick * (1 + ratio_before) * (1 + here / here_before), false
        )) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
    FROM common
)
SELECT
    symbol, min(date) AS first_day, max(date) AS last_day, count(*) AS bars,
    arg_min(here, date) AS here, arg_min(there, date) AS there, sum(there) / sum(here) AS ratio,
    max(tick) / avg(here) AS rounding
FROM numbered
GROUP BY symbol, run
HAVING count(*) FILTER (WHERE abs(there - here) > max_difference) >= 5;
