"use strict";

// What all pages share: formats, and charts that can be zoomed by mouse, keyboard and touch.
const data = JSON.parse(document.getElementById("data").textContent);
const drawn = []; // one redraw function per chart

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const text = (options) => (value) =>
  value == null ? "–" : value.toLocaleString("en-US", options).replace("-", "−");
const money = text({ maximumFractionDigits: 0 });
const whole = money;
const price = text({ minimumFractionDigits: 2, maximumFractionDigits: 4 });
const ratio = text({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
const mark = text({ notation: "compact", maximumSignificantDigits: 4 });
const percent = text({ style: "percent", maximumFractionDigits: 1 });
const percentMark = text({ style: "percent", maximumFractionDigits: 2 });
const isoDay = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
const seconds = (days) => days.map((day) => day * 86400);
const isNarrow = () => document.documentElement.clientWidth < 560;

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

function options(holder, make) {
  const { height, series, axis, x, isLog = false, onDraw = () => {}, xName = "Session", xText, xRange } = make;
  const label = { stroke: colour("muted"), font: "12px system-ui, sans-serif" };
  const last = x.length - 1;
  return {
    width: document.documentElement.classList.contains("print") ? 680 : holder.clientWidth,
    height,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
    cursor: { ...(xText ? {} : { sync: { key: "sessions" } }), drag: { x: true, y: false }, y: false },
    scales: {
      x: { time: !xText, ...(xRange ? { range: (_, min, max) => xRange(min, max) } : {}) },
      y: isLog ? { distr: 3, range: (_, min, max) => [min / 1.03, max * 1.03] } : {},
    },
    axes: [
      {
        ...label,
        space: isNarrow() ? 50 : 80,
        size: 44,
        grid: { show: false },
        ticks: { stroke: colour("line"), width: 1, size: 4 },
        ...(xText ? { values: (_, marks) => marks.map(xText) } : {}),
      },
      {
        ...label,
        size: 58,
        grid: { stroke: colour("line"), width: 1 },
        ticks: { show: false },
        values: (_, marks) => marks.map(axis),
        ...(isLog ? { splits: logMarks, filter: (_, marks) => marks } : {}),
      },
    ],
    series: [{ label: xName, value: (_, at) => (at == null ? "–" : (xText ?? isoDay)(at)) }, ...series],
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

// Arrows move the cursor (with Shift by twenty), + and - zoom around it, 0 shows all
function useKeys(holder, current) {
  holder.tabIndex = 0;
  holder.addEventListener("keydown", (event) => {
    const plot = current();
    const [first, last] = plot.series[0].idxs;
    const xs = plot.data[0];
    const at = plot.cursor.idx ?? last;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const zoom = { "+": 0.5, "=": 0.5, "-": 2, 0: Infinity }[event.key];
    if (step) {
      const next = Math.min(last, Math.max(first, at + step * (event.shiftKey ? 20 : 1)));
      plot.setCursor({ left: plot.valToPos(xs[next], "x"), top: 10 });
    } else if (zoom) {
      const size = Math.max(10, Math.round((last - first) * zoom));
      const min = Math.max(0, Math.round(at - size / 2));
      const max = Math.min(xs.length - 1, zoom === Infinity ? xs.length - 1 : min + size);
      plot.setScale("x", { min: xs[zoom === Infinity ? 0 : min], max: xs[max] });
    } else return;
    event.preventDefault();
  });
}

// Two fingers zoom, around what is between them; one finger moves along a chart that is zoomed in, else the cursor.
// A finger that moves up or down scrolls the page (touch-action in report.css)
function useTouch(holder, current) {
  let start = null;
  const grip = ({ touches }) => {
    const { left, width } = current().over.getBoundingClientRect();
    const [one, other = one] = [...touches].map((touch) => touch.clientX - left);
    return { fingers: touches.length, middle: (one + other) / 2, spread: Math.abs(one - other), width };
  };
  const begin = (event) => {
    const { min, max } = current().scales.x;
    start = event.touches.length ? { ...grip(event), min, max } : null;
  };
  holder.addEventListener("touchstart", begin, { passive: true });
  holder.addEventListener("touchend", begin, { passive: true });
  holder.addEventListener("touchmove", (event) => {
    const plot = current();
    const now = grip(event);
    if (start === null || now.fingers !== start.fingers || now.fingers > 2) return;
    const xs = plot.data[0];
    const first = xs[0], whole = xs[xs.length - 1] - first;
    const shown = start.max - start.min;
    const isPinch = now.fingers === 2 && start.spread > 0 && now.spread > 0;
    if (!isPinch && shown >= whole) plot.setCursor({ left: now.middle, top: 10 });
    else {
      const size = Math.min(whole, Math.max((whole * 10) / xs.length, isPinch ? (shown * start.spread) / now.spread : shown));
      const held = start.min + (shown * start.middle) / start.width;
      const min = Math.min(first + whole - size, Math.max(first, held - (size * now.middle) / now.width));
      plot.setScale("x", { min, max: min + size });
    }
    if (event.cancelable) event.preventDefault();
  }, { passive: false });
}

// make() returns the chart's current x, columns, series, axis format and so on
function chart(id, make) {
  const holder = document.getElementById(id);
  if (holder === null) return () => {};
  let plot = null;
  let shown = null; // the range of x to keep: a plot that is still new has none
  const draw = () => {
    if (!holder.isConnected) return;
    const current = make();
    if (plot && plot.scales.x.min !== null) shown = { min: plot.scales.x.min, max: plot.scales.x.max };
    plot?.destroy();
    plot = new uPlot(options(holder, current), [current.x, ...current.columns], holder);
    if (shown) plot.setScale("x", shown);
  };
  const fit = () => {
    if (holder.isConnected && holder.clientWidth !== plot.width) plot.setSize({ width: holder.clientWidth, height: plot.height });
  };
  drawn.push(draw);
  draw();
  new ResizeObserver(fit).observe(holder);
  useKeys(holder, () => plot);
  useTouch(holder, () => plot);
  return draw;
}

const drawAll = () => drawn.forEach((draw) => draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
for (const [event, isPrint] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => {
    document.documentElement.classList.toggle("print", isPrint);
    drawAll();
  });
}
