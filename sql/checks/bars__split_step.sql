/* ---
name: bars__split_step
title: "A split that is not in the prices, or is there twice: the adjusted closes still make its step."
status: active
severity: warn
by_symbol: true
grain: one row per symbol and date
needs: [split_steps]
returns: symbol, date, detail
reference: views/split_steps.sql has the rule. It is a warning, because a price may halve on the day of a split
fix: "`stockstream run` fetches the history of a symbol again for 90 days after such a split; later, or from files,
  store the right prices with `stockstream backfill`"
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol, date,
    format(
        'the close of {} is {:.4g} times that of {} in today''s shares, about the step of a split {:.6g}',
        previous_date, step, date, split_ratio
    ) || CASE WHEN is_adjusted THEN ': older prices are not restated' ELSE ': the split is not in the prices' END
    AS detail
FROM split_steps(1.5)
ORDER BY symbol, date;
