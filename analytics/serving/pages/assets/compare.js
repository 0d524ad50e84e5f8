"use strict";
// The chart of /compare: the total return of each symbol in percent since its first bar of the range.
(async () => {
  const box = document.getElementById("lines"), { symbols, start } = box.dataset, lines = new Map();
  for (let token = null; ;) {
    const query = new URLSearchParams({ symbols, start, adjustment: "all", limit: "10000", ...(token ? { page_token: token } : {}) });
    const answer = await fetch(`/v1/bars?${query}`), page = await answer.json();
    if (!answer.ok) throw new Error(page.detail);
    for (const { symbol, date, close } of page.bars) {
      if (!lines.has(symbol)) lines.set(symbol, { name: symbol, points: [] });
      lines.get(symbol).points.push({ date, value: close });
    }
    token = page.next_page_token;
    if (!token) break;
  }
  drawLines(box, [...lines.values()]);
})().catch((error) => { document.getElementById("lines").textContent = `The chart cannot be drawn: ${error.message}`; });
