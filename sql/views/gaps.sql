/* ---
name: gaps
title: Sessions without a bar between a symbol's first and last bar.
status: active
grain: one row per symbol and date
needs: [bars, sessions]
returns: symbol, date (session without a bar)
example: SELECT symbol, count(*) AS missing FROM gaps GROUP BY symbol ORDER BY missing DESC
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW gaps AS
WITH spans AS (
    SELECT symbol, min(date) AS first_date, max(date) AS last_date FROM bars GROUP BY symbol
)
SELECT spans.symbol, sessions.date
FROM spans
JOIN sessions ON sessions.date > spans.first_date AND sessions.date < spans.last_date
ANTI JOIN bars ON bars.symbol = spans.symbol AND bars.date = sessions.date;
