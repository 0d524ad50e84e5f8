/* ---
name: reconciled_symbols
title: The verdict of the last reconciliation per symbol and other source, with the number of differences of each kind.
status: active
grain: one row per other source and symbol
needs: [reconciled]
prices: as traded
returns: symbol, other (the other source), verdict (on the symbol), date (first day compared), through (last day
  compared), bars_here (number of bars of the lake), bars_there (number of bars of the other source), bars_both
  (number of bars that both have), missing_here (number of bars that only the other source has), missing_there (number
  of bars that only the lake has), shifted (number of bars on another day), ratio (number of bars that differ by one
  ratio), prices (number of other differences of prices), volumes (number of differences of volumes), actions (number
  of differences of dividends and splits), max_ticks (largest difference of prices, ticks), detail (in words),
  compared_at (ISO 8601 UTC)
reference: all counts are of bars, those of volumes and actions too; an action that one side lacks is in actions
example: FROM reconciled_symbols WHERE verdict NOT IN ('equal', 'within_tolerance')
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW reconciled_symbols AS
WITH counts AS (
    SELECT
        other, symbol,
        coalesce(sum(bars) FILTER (WHERE column_name = 'bar' AND verdict = 'missing_here'), 0) AS missing_here,
        coalesce(sum(bars) FILTER (WHERE column_name = 'bar' AND verdict = 'missing_there'), 0) AS missing_there,
        coalesce(sum(bars) FILTER (WHERE verdict = 'shifted'), 0) AS shifted,
        coalesce(sum(bars) FILTER (WHERE verdict = 'ratio'), 0) AS ratio,
        count(*) FILTER (WHERE column_name IN ('open', 'high', 'low', 'close')
            AND verdict IN ('differs', 'missing_here', 'missing_there')) AS prices,
        count(*) FILTER (WHERE column_name = 'volume' AND verdict <> 'not_compared') AS volumes,
        count(*) FILTER (WHERE column_name IN ('dividend', 'split_ratio') AND verdict <> 'not_compared') AS actions
    FROM reconciled
    GROUP BY other, symbol
)
SELECT
    r.symbol, r.other, r.verdict, r.date, r.through,
    CAST(r.here AS BIGINT) AS bars_here,
    CAST(r.there AS BIGINT) AS bars_there,
    r.bars AS bars_both,
    CAST(c.missing_here AS BIGINT) AS missing_here,
    CAST(c.missing_there AS BIGINT) AS missing_there,
    CAST(c.shifted AS BIGINT) AS shifted,
    CAST(c.ratio AS BIGINT) AS ratio,
    c.prices, c.volumes, c.actions, r.ticks AS max_ticks, r.detail, r.compared_at
FROM reconciled AS r
JOIN counts AS c ON c.other = r.other AND c.symbol = r.symbol
WHERE r.column_name = 'symbol';
