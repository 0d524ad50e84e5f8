/* ---
name: bars__no_session
title: A bar on a day that is no session of the market.
status: active
severity: warn
by_symbol: true
grain: one row per symbol and date
needs: [bars, sessions]
returns: symbol, date, detail
reference: it is a warning, because calendars and vendors disagree about single days. Days before the first session of
  the calendar and after the last one are not checked
fix: "compare with another source; dates of another time zone are a day early or late. Import the file again with right
  dates after `stockstream rollback`"
changes:
  - 2026-11-27 first version
--- */
SELECT b.symbol, b.date, format('the market had no session on this {}', dayname(b.date)) AS detail
FROM bars AS b
ANTI JOIN sessions AS s ON s.date = b.date
WHERE b.date BETWEEN (SELECT min(date) FROM sessions) AND (SELECT max(date) FROM sessions)
ORDER BY b.symbol, b.date;
