/* ---
name: acme__no_volume
title: A bar without trades.
severity: warn
fix: nothing is wrong if the share did not trade
--- */
SELECT symbol, date, 'no volume' AS detail
FROM bars
WHERE volume = 0
ORDER BY symbol, date;
