"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const days = data.account.days.map((day) => day * 86400);
const drawn = []; // one redraw function per chart

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const text = (options) => (value) =>
  value == null ? "–" : value.toLocaleString("en-US", options).replace("-", "−");
const money = text({ maximumFractionDigits: 0 });
const price = text({ minimumFractionDigits: 2, maximumFractionDigits: 4 });
const mark = text({ notation: "compact", maximumSignificantDigits: 4 });
const percent = text({ style: "percent", maximumFractionDigits: 1 });
const isoDay = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
const percentMark = text({ style: "percent", maximumFractionDigits: 2 });

// uPlot's logarithmic axis shows only whole powers of ten
function logMarks(_, axis, min, max) {
  if (max / min > 4) {
    const powers = Array.from({ length: 30 }, (_, i) => 10 ** (i - 10));
    return powers.flatMap((power) => [power, 2 * power, 5 * power]).filter((at) => at >= min && at <= max);
  }
  const power = 10 ** Math.floor(Math.log10(max - min));
  const step = power * ([0.2, 0.5].find((part) => (max - min) / (part * power) < 7) ?? 1);
  const first = Math.ceil(min / step);
  return Array.from({ length: Math.floor(max / step) - first + 1 }, (_, i) => (first + i) * step);
}

function options(holder, height, series, axis, isLog = false, onDraw = () => {}) {
  const label = { stroke: colour("muted"), font: "12px system-ui, sans-serif" };
  const last = days.length - 1;
  return {
    width: document.documentElement.classList.contains("print") ? 680 : holder.clientWidth,
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    cursor: { sync: { key: "sessions" }, drag: { x: true, y: false }, y: false },
    scales: { y: isLog ? { distr: 3, range: (_, min, max) => [min / 1.03, max * 1.03] } : {} },
    axes: [
      { ...label, space: 80, size: 44, grid: { show: false }, ticks: { stroke: colour("line"), width: 1, size: 4 } },
      {
        ...label,
        size: 58,
        grid: { stroke: colour("line"), width: 1 },
        ticks: { show: false },
        values: (_, marks) => marks.map(axis),
        ...(isLog ? { splits: logMarks, filter: (_, marks) => marks } : {}),
      },
    ],
    series: [{ label: "Session", value: (_, at) => (at == null ? "–" : isoDay(at)) }, ...series],
    hooks: {
      ready: [(plot) => plot.setLegend({ idx: last })],
      setCursor: [(plot) => plot.cursor.idx == null && plot.setLegend({ idx: last })],
      draw: [onDraw],
    },
  };
}

function line(label, stroke, value, extra = {}) {
  return { label, stroke, width: 1.5, value: (_, at) => value(at), points: { show: false }, ...extra };
}

// make() returns the chart's current columns, series, axis format and so on
function chart(id, make) {
  const holder = document.getElementById(id);
  if (holder === null) return () => {};
  let plot = null;
  const draw = () => {
    const { height, series, axis, columns, isLog, onDraw } = make();
    const part = plot && { min: plot.scales.x.min, max: plot.scales.x.max };
    plot?.destroy();
    plot = new uPlot(options(holder, height, series, axis, isLog, onDraw), [days, ...columns], holder);
    if (part) plot.setScale("x", part);
  };
  const fit = () => {
    if (holder.clientWidth !== plot.width) plot.setSize({ width: holder.clientWidth, height: plot.height });
  };
  new ResizeObserver(fit).observe(holder);
  drawn.push(draw);
  draw();
  return draw;
}

const { equity, benchmark, drawdown, long, short: sold } = data.account;
const log = document.getElementById("log");
log.disabled = [...equity, ...(benchmark ?? [])].some((value) => value !== null && value <= 0);

const drawEquity = chart("equity", () => ({
  height: 340,
  axis: mark,
  columns: benchmark ? [benchmark, equity] : [equity],
  series: [
    ...(benchmark ? [line(data.benchmark, colour("muted"), money, { width: 1 })] : []),
    line("Equity", colour("accent"), money),
  ],
  isLog: log.checked,
}));
log.addEventListener("change", drawEquity);

chart("drawdown", () => ({
  height: 170,
  axis: percentMark,
  columns: [drawdown],
  series: [line("Drawdown", colour("loss"), percent, { fill: colour("loss-soft"), width: 1 })],
}));

chart("exposure", () => ({
  height: 170,
  axis: percentMark,
  columns: sold ? [long, sold, long.map((share, i) => (share === null ? null : share + sold[i]))] : [long],
  series: [
    line("Long", colour("accent"), percent, { fill: colour("accent-soft"), width: 1 }),
    ...(sold ? [line("Short", colour("loss"), percent, { fill: colour("loss-soft"), width: 1 })] : []),
    ...(sold ? [line("Net", colour("text"), percent, { width: 1 })] : []),
  ],
}));

function markers(plot, trades) {
  const { ctx } = plot;
  const size = 5 * devicePixelRatio;
  const { left, top, width, height } = plot.bbox;
  const point = ([session, close]) => [plot.valToPos(days[session], "x", true), plot.valToPos(close, "y", true)];
  const shape = (fill, corners) => {
    ctx.beginPath();
    corners.forEach(([x, y]) => ctx.lineTo(x, y));
    ctx.closePath();
    ctx.fillStyle = fill;
    ctx.fill();
  };
  ctx.save();
  ctx.beginPath();
  ctx.rect(left - size, top, width + 2 * size, height);
  ctx.clip();
  for (const [entry, exit, isLong, isWin] of trades) {
    const [x, y] = point(entry);
    const stroke = exit === null ? colour("muted") : colour(isWin ? "gain" : "loss");
    if (exit !== null) {
      const [toX, toY] = point(exit);
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(toX, toY);
      ctx.strokeStyle = stroke;
      ctx.lineWidth = 1.5 * devicePixelRatio;
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.stroke();
      shape(stroke, [[toX - size, toY], [toX, toY - size], [toX + size, toY], [toX, toY + size]]);
    }
    const up = isLong ? size : -size;
    shape(colour("text"), [[x, y - up], [x - size, y + up], [x + size, y + up]]);
  }
  ctx.restore();
}

const symbol = document.getElementById("symbol");
const priceLog = document.getElementById("price-log");
const drawPrice = chart("price", () => {
  const { close, trades } = data.traded[Number(symbol.value)];
  return {
    height: 340,
    axis: mark,
    columns: [close],
    series: [line("Close", colour("muted"), price, { width: 1 })],
    isLog: priceLog.checked,
    onDraw: (plot) => markers(plot, trades),
  };
});
symbol?.addEventListener("change", drawPrice);
priceLog?.addEventListener("change", drawPrice);

const drawAll = () => drawn.forEach((draw) => draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
for (const [event, isPrint] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => {
    document.documentElement.classList.toggle("print", isPrint);
    drawAll();
  });
}
