"use strict";
// The chart of /paper/NAME: equity per session, beside the backtest if that has something else now, and the benchmark.
(() => {
  const box = document.getElementById("equity"), { dates, ...lines } = JSON.parse(box.dataset.lines);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const PALETTE = ["#2f7ed8", "#d98f1f", "#8a56c2"];
  const axis = { stroke: style("--muted"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 } };
  const money = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: 2 }));
  const size = () => ({ width: box.clientWidth, height: 320 });
  const chart = new uPlot({
    ...size(),
    axes: [axis, { ...axis, size: 80, values: (_, ticks) => ticks.map(money) }],
    series: [{ value: "{YYYY}-{MM}-{DD}" }, ...Object.keys(lines).map((label, number) => ({ label, stroke: PALETTE[number], spanGaps: true, value: (_, value) => money(value) }))],
    tzDate: (seconds) => uPlot.tzDate(new Date(1000 * seconds), "UTC"),
  }, [dates.map((day) => Date.parse(day) / 1000), ...Object.values(lines)], box);
  new ResizeObserver(() => chart.setSize(size())).observe(box);
  box.dataset.ready = "yes";
})();
