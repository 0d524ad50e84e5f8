/* ---
name: reconcile_volumes
title: The volumes of bars that both sides have, compared.
status: active
grain: one row per symbol and date
params: {}
needs: [steps/reconcile_ratios]
makes: {volumes: "symbol, date, column_name, here, there, ticks, verdict"}
returns: temp table volumes
reference: within a stretch of reconcile_ratios a volume that is divided by the ratio is right, too. Half a unit of the
  stored volume is rounding
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE volumes AS
WITH common AS (
    SELECT
        p.symbol, p.date, p.here.volume AS here, p.there.volume AS there,
        p.volume_unit * 0.5000005 AS rounding,
        l.volume_share * greatest(p.here.volume, p.there.volume) AS max_difference,
        least(
            abs(p.there.volume - p.here.volume), abs(p.there.volume * coalesce(r.ratio, 1.0) - p.here.volume)
        ) AS difference
    FROM pairs AS p
    CROSS JOIN limits AS l
    ANTI JOIN shifts AS s ON s.symbol = p.symbol AND s.date = p.date
    LEFT JOIN stretches AS r ON r.symbol = p.symbol AND p.date BETWEEN r.first_day AND r.last_day
    WHERE p.here IS NOT NULL AND p.there IS NOT NULL
),
reported AS (
    SELECT symbol, (count(here) > 0) = (count(there) > 0) AS is_compared FROM common GROUP BY symbol
)
SELECT
    c.symbol, c.date, 'volume' AS column_name, c.here, c.there, CAST(NULL AS DOUBLE) AS ticks,
    CASE
        WHEN NOT r.is_compared THEN 'not_compared'
        WHEN c.here IS NULL AND c.there IS NOT NULL THEN 'missing_here'
        WHEN c.here IS NOT NULL AND c.there IS NULL THEN 'missing_there'
        WHEN c.difference > greatest(c.rounding, c.max_difference) THEN 'differs'
        WHEN c.difference > c.rounding THEN 'within_tolerance'
        ELSE 'equal'
    END AS verdict
FROM common AS c
JOIN reported AS r ON r.symbol = c.symbol;
