/* ---
name: reconcile_prices
title: The prices of bars that both sides have, compared.
status: active
grain: one row per symbol, date and column of prices
params: {}
needs: [steps/reconcile_ratios]
makes: {prices: "symbol, date, column_name, here, there, ticks, verdict"}
returns: temp table prices; verdict is equal, within_tolerance, differs, missing_here, missing_there or not_compared
reference: within a stretch of reconcile_ratios the lake's price times the ratio is expected; a column that one side
  does not have for any bar of the symbol is not compared
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE prices AS
WITH common AS (
    SELECT
        p.symbol, p.date, p.here, p.there, coalesce(r.ratio, 1.0) AS ratio,
        p.tick * greatest(coalesce(r.ratio, 1.0), 1.0) AS tick,
        p.max_difference * greatest(coalesce(r.ratio, 1.0), 1.0) AS max_difference
    FROM pairs AS p
    ANTI JOIN shifts AS s ON s.symbol = p.symbol AND s.date = p.date
    LEFT JOIN stretches AS r ON r.symbol = p.symbol AND p.date BETWEEN r.first_day AND r.last_day
    WHERE p.here IS NOT NULL AND p.there IS NOT NULL
),
listed AS (
    SELECT symbol, date, 'open' AS column_name, here.open AS here, there.open AS there, ratio, tick, max_difference
    FROM common
    UNION ALL
    SELECT symbol, date, 'high', here.high, there.high, ratio, tick, max_difference FROM common
    UNION ALL
    SELECT symbol, date, 'low', here.low, there.low, ratio, tick, max_difference FROM common
    UNION ALL
    SELECT symbol, date, 'close', here.close, there.close, ratio, tick, max_difference FROM common
),
reported AS (
    SELECT symbol, column_name, (count(here) > 0) = (count(there) > 0) AS is_compared
    FROM listed
    GROUP BY symbol, column_name
)
SELECT
    l.symbol, l.date, l.column_name, l.here, l.there, (l.there - l.here * l.ratio) / l.tick AS ticks,
    CASE
        WHEN NOT r.is_compared THEN 'not_compared'
        WHEN l.here IS NULL AND l.there IS NOT NULL THEN 'missing_here'
        WHEN l.here IS NOT NULL AND l.there IS NULL THEN 'missing_there'
        WHEN abs(l.there - l.here * l.ratio) > l.max_difference THEN 'differs'
        WHEN abs(l.there - l.here * l.ratio) > l.tick * 0.5000005 THEN 'within_tolerance'
        ELSE 'equal'
    END AS verdict
FROM listed AS l
JOIN reported AS r ON r.symbol = l.symbol AND r.column_name = l.column_name;
