/* ---
name: quarantined
title: The values of an answer that are not used, counted per column and reason.
status: active
grain: one row per column, reason and whether it is a loss
params: {}
needs: [steps/faulty]
returns: column_name, reason, number, is_loss, first
changes:
  - 2026-11-27 first version
--- */
SELECT
    column_name, reason, count(*) AS number, is_loss,
    arg_min(
        concat_ws(
            ' ', symbol, date, '''' || text || '''', 'in ' || file || coalesce(', line ' || line, '')
        ),
        {symbol: symbol, date: date, file: file, line: line, text: text}
    ) AS first
FROM faulty
GROUP BY column_name, reason, is_loss
ORDER BY is_loss DESC, column_name NULLS FIRST, reason
