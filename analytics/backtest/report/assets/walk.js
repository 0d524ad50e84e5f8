const days = seconds(data.days);
const starts = seconds(data.starts);

// A thin line at the start of each test, below the curve
function windows(plot) {
  const { ctx } = plot;
  const { top, height } = plot.bbox;
  ctx.save();
  ctx.globalCompositeOperation = "destination-over";
  ctx.fillStyle = colour("line");
  for (const start of starts.slice(1)) ctx.fillRect(plot.valToPos(start, "x", true), top, devicePixelRatio, height);
  ctx.restore();
}

chart("walk-equity", () => ({
  x: days,
  height: isNarrow() ? 260 : 340,
  axis: mark,
  columns: [data.equity],
  series: [line("Equity", colour("accent"), price)],
  onDraw: windows,
}));

chart("walk-drawdown", () => ({
  x: days,
  height: 170,
  axis: percentMark,
  columns: [data.drawdown],
  series: [line("Drawdown", colour("loss"), percent, { fill: colour("loss-soft"), width: 1 })],
}));

chart("walk-rank", () => ({
  x: starts,
  xName: "Start of the test",
  height: 200,
  axis: mark,
  columns: [data.trained, data.tested],
  series: [
    line("Training", colour("muted"), ratio, { points: { show: true, size: 5 } }),
    line("Test", colour("accent"), ratio, { points: { show: true, size: 5 } }),
  ],
}));
