"use strict";
// The chart of /compare: the total return of each symbol in percent since its first bar of the range.
(async () => {
  const box = document.getElementById("lines"), { symbols, start } = box.dataset;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const PALETTE = ["#2f7ed8", "#d98f1f", "#8a56c2", "#1f9e89", "#c2477f", "#7a8b2f", "#5b6ee1", "#b0563b", "#3b8fb0", "#a0a03b", "#6b6b6b", "#d05fc4"];
  const bars = [];
  for (let token = null; ;) {
    const query = new URLSearchParams({ symbols, start, adjustment: "all", limit: "10000", ...(token ? { page_token: token } : {}) });
    const answer = await fetch(`/v1/bars?${query}`), page = await answer.json();
    if (!answer.ok) throw new Error(page.detail);
    bars.push(...page.bars);
    token = page.next_page_token;
    if (!token) break;
  }
  const days = [...new Set(bars.map((bar) => bar.date))].sort(), place = new Map(days.map((day, number) => [day, number]));
  const names = [...new Set(bars.map((bar) => bar.symbol))];
  const lines = names.map((name) => {
    const values = new Array(days.length).fill(null);
    let first = null;
    for (const bar of bars) {
      if (bar.symbol !== name || bar.close === null) continue;
      first ??= bar.close;
      values[place.get(bar.date)] = 100 * (bar.close / first - 1);
    }
    return values;
  });
  const axis = { stroke: style("--muted"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 } };
  const size = () => ({ width: box.clientWidth, height: 360 });
  const percent = (_, value) => (value === null || value === undefined ? "–" : `${value.toFixed(2)} %`);
  const chart = new uPlot({
    ...size(),
    axes: [axis, { ...axis, values: (_, ticks) => ticks.map((tick) => `${tick} %`) }],
    series: [{ value: "{YYYY}-{MM}-{DD}" }, ...names.map((label, number) => ({ label, stroke: PALETTE[number % PALETTE.length], spanGaps: true, value: percent }))],
    tzDate: (seconds) => uPlot.tzDate(new Date(1000 * seconds), "UTC"),
  }, [days.map((day) => Date.parse(day) / 1000), ...lines], box);
  new ResizeObserver(() => chart.setSize(size())).observe(box);
  box.dataset.ready = "yes";
})().catch((error) => { document.getElementById("lines").textContent = `The chart cannot be drawn: ${error.message}`; });
