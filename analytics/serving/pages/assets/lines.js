"use strict";
// Draws lines of total returns in percent into a box: per line a name and points { date, value }, of which the first is 0 %.
function drawLines(box, lines) {
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const PALETTE = ["#2f7ed8", "#d98f1f", "#8a56c2", "#1f9e89", "#c2477f", "#7a8b2f", "#5b6ee1", "#b0563b", "#3b8fb0", "#a0a03b", "#6b6b6b", "#d05fc4"];
  const days = [...new Set(lines.flatMap(({ points }) => points.map(({ date }) => date)))].sort();
  const place = new Map(days.map((day, number) => [day, number]));
  const series = lines.map(({ points }) => {
    const values = new Array(days.length).fill(null);
    let first = null;
    for (const { date, value } of points) {
      if (value === null) continue;
      first ??= value;
      values[place.get(date)] = 100 * (value / first - 1);
    }
    return values;
  });
  const axis = { stroke: style("--muted"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 } };
  const size = () => ({ width: box.clientWidth, height: 360 });
  const percent = (_, value) => (value === null || value === undefined ? "–" : `${value.toFixed(2)} %`);
  const chart = new uPlot({
    ...size(),
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => `${tick} %`) }],
    series: [{ value: "{YYYY}-{MM}-{DD}" }, ...lines.map(({ name }, number) => ({ label: name, stroke: PALETTE[number % PALETTE.length], spanGaps: true, value: percent }))],
    tzDate: (seconds) => uPlot.tzDate(new Date(1000 * seconds), "UTC"),
  }, [days.map((day) => Date.parse(day) / 1000), ...series], box);
  new ResizeObserver(() => chart.setSize(size())).observe(box);
  box.dataset.ready = "yes";
}
