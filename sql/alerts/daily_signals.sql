/* ---
name: daily_signals
title: The signals of the newest session, after its bars were published.
status: active
severity: info
cooldown: session
channels: [webhook, email, sns]
runs: batch
grain: one row per symbol
needs: [signals]
variables: [session]
returns: symbol, value (the close), message
reference: the view signals; a rule of one's own restricts it to some signals or symbols
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol, close AS value,
    format('{} has {} at a close of {:.6g}', symbol, string_agg(signal, ', ' ORDER BY signal), close) AS message
FROM signals
WHERE date = getvariable('session')
GROUP BY symbol, close
ORDER BY symbol;
