/* ---
name: acme_up
title: The close is more than a tenth above that of the session before.
severity: info
cooldown: session
needs: [live]
--- */
SELECT symbol, change_percent AS value, format('{} is up {:.1f} %', symbol, change_percent) AS message
FROM live
WHERE change_percent > 10;
