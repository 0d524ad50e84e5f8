/* ---
name: metadata_unexplained
title: The symbols that replaced others from one list to the next while no source says whether it is the same company.
status: active
grain: one row per symbol
params: {}
needs: [steps/metadata_links]
returns: symbol
reference: Polygon is asked for the events of these symbols, the least often requested first, then the newest; symbols
  that were answered, or refused three times, are left out. Two different FIGIs are two securities, so that only a turn
  without a FIGI is unexplained
changes:
  - 2026-11-21 first version
--- */
WITH begun AS (
    SELECT b.symbol, max(b.day) AS day
    FROM turns AS b
    JOIN turns AS e ON e.day = b.day AND e.symbol <> b.symbol AND (e.figi IS NULL OR b.figi IS NULL)
    ANTI JOIN links AS came ON came.to_id = b.id
    ANTI JOIN links AS went ON went.from_id = e.id
    WHERE b.turn = 'begun' AND e.turn = 'ended'
    GROUP BY b.symbol
)
SELECT b.symbol
FROM begun AS b
LEFT JOIN answers AS a ON a.kind = 'events' AND a.symbol = b.symbol AND CAST(left(a.asked_at, 10) AS DATE) >= b.day
GROUP BY b.symbol, b.day
HAVING count(a.answer) = 0 AND count(a.asked_at) < 3
ORDER BY count(a.asked_at), b.day DESC, b.symbol
