/* ---
name: level
title: The price has crossed a level of one's own, since the previous close.
status: active
severity: warning
cooldown: session
channels: [log, webhook, email, sns]
runs: live
grain: one row per symbol
needs: [live]
tables:
  levels: symbol VARCHAR, level DOUBLE, note VARCHAR
returns: symbol, value (the level, of several the last one on the way), message
reference: the table levels has the rows of `levels.csv` in the lake, or of `--levels FILE`, in the shares of the
  session. A level is crossed if it lies between the previous close and the high, or the low, of the live bar
changes:
  - 2026-11-27 first version
--- */
WITH crossed AS (
    SELECT
        l.symbol, v.level, v.note, l.close, l.previous_close < v.level AS is_up, abs(v.level - l.previous_close) AS way
    FROM live AS l
    JOIN levels AS v ON v.symbol = l.symbol
    WHERE (l.previous_close < v.level AND l.high >= v.level) OR (l.previous_close > v.level AND l.low <= v.level)
)
SELECT
    symbol,
    arg_max(level, way) AS value,
    format('{} has crossed {}; it is at {:.6g}', symbol, string_agg(
        format('{:.6g} {}', level, CASE WHEN is_up THEN 'upwards' ELSE 'downwards' END)
        || CASE WHEN note <> '' THEN ' (' || note || ')' ELSE '' END, ', ' ORDER BY is_up, way
    ), any_value(close)) AS message
FROM crossed
GROUP BY symbol;
