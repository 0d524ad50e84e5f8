"use strict";
// The chart of /backtests: the total return of each backtest in percent since its first session.
(async () => {
  const box = document.getElementById("lines");
  if (!box) return;
  const lines = await Promise.all(JSON.parse(box.dataset.backtests).map(async (name) => {
    const answer = await fetch(`/v1/backtests/${encodeURIComponent(name)}?table=equity`), page = await answer.json();
    if (!answer.ok) throw new Error(page.detail);
    return { name, points: page.equity.map(({ date, equity }) => ({ date, value: equity })) };
  }));
  drawLines(box, lines);
})().catch((error) => { document.getElementById("lines").textContent = `The chart cannot be drawn: ${error.message}`; });
