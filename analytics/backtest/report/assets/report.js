const days = seconds(data.account.days);
const { equity, benchmark, drawdown, long, short: sold } = data.account;
const log = document.getElementById("log");
log.disabled = [...equity, ...(benchmark ?? [])].some((value) => value !== null && value <= 0);

const drawEquity = chart("equity", () => ({
  x: days,
  height: isNarrow() ? 260 : 340,
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
  x: days,
  height: 170,
  axis: percentMark,
  columns: [drawdown],
  series: [line("Drawdown", colour("loss"), percent, { fill: colour("loss-soft"), width: 1 })],
}));

chart("exposure", () => ({
  x: days,
  height: 170,
  axis: percentMark,
  columns: sold ? [long, sold, long.map((share, i) => (share === null ? null : share + sold[i]))] : [long],
  series: [
    line("Long", colour("accent"), percent, { fill: colour("accent-soft"), width: 1 }),
    ...(sold ? [line("Short", colour("loss"), percent, { fill: colour("loss-soft"), width: 1 })] : []),
    ...(sold ? [line("Net", colour("text"), percent, { width: 1 })] : []),
  ],
}));

const { rolling, histogram, holdings } = data;
if (rolling) {
  const rollingDays = seconds(rolling.days);
  for (const [name, format, axis] of [["sharpe", ratio, mark], ["volatility", percent, percentMark], ["beta", ratio, mark]]) {
    if (!rolling[name]) continue;
    chart(`rolling-${name}`, () => ({
      x: rollingDays,
      height: 170,
      axis,
      columns: [rolling[name]],
      series: [line({ sharpe: "Sharpe ratio", volatility: "Volatility", beta: "Beta" }[name], colour("accent"), format)],
    }));
  }
}

if (histogram) {
  const binWidth = histogram.middle[1] - histogram.middle[0];
  chart("histogram", () => ({
    x: histogram.middle,
    xName: "Return",
    xText: percentMark,
    xRange: (min, max) => [min - binWidth / 2, max + binWidth / 2],
    height: 220,
    axis: whole,
    columns: [histogram.sessions],
    series: [
      line("Sessions", colour("accent"), whole, {
        fill: colour("accent-soft"), width: 1, paths: uPlot.paths.bars({ size: [0.9], align: 0 }),
      }),
    ],
  }));
}

if (holdings) {
  const holdingDays = seconds(holdings.days);
  chart("positions", () => ({
    x: holdingDays,
    height: 170,
    axis: mark,
    columns: [holdings.positions, holdings.effective],
    series: [
      line("Positions", colour("accent"), whole, { paths: uPlot.paths.stepped({ align: 1 }) }),
      line("Equal positions as concentrated", colour("muted"), ratio, { width: 1 }),
    ],
  }));
  chart("concentration", () => ({
    x: holdingDays,
    height: 170,
    axis: percentMark,
    columns: [holdings.five, holdings.largest],
    series: [
      line("Five largest", colour("muted"), percent, { width: 1 }),
      line("Largest", colour("accent"), percent),
    ],
  }));
}

for (const [id, at, name] of [["adverse", 0, "MAE"], ["favourable", 1, "MFE"]]) {
  if (!data.excursions.length) break;
  const dots = data.excursions.slice().sort((one, other) => one[at] - other[at]);
  const points = (label, stroke) => ({
    label, stroke, paths: () => null, points: { show: true, size: 5, fill: stroke, stroke },
    value: (_, value) => percent(value),
  });
  chart(id, () => ({
    x: dots.map((dot) => dot[at]),
    xName: name,
    xText: percentMark,
    height: 260,
    axis: percentMark,
    columns: [dots.map((dot) => (dot[2] > 0 ? dot[2] : null)), dots.map((dot) => (dot[2] > 0 ? null : dot[2]))],
    series: [points("Win", colour("gain")), points("Loss", colour("loss"))],
  }));
}

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

// Candles where a session is wide enough, otherwise the range of the day; without bars only the line of closes
function candles(plot, { open, high, low }, close) {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  const [first, last] = plot.series[0].idxs;
  const wide = width / (last - first + 1);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  const body = Math.max(1, Math.min(12 * devicePixelRatio, wide * 0.6));
  const up = colour("gain"), down = colour("loss"), plain = colour("muted");
  for (let i = first; i <= last; i++) {
    if (close[i] == null) continue;
    const x = Math.round(plot.valToPos(days[i], "x", true));
    const [o, h, l, c] = [open[i], high[i], low[i], close[i]].map((value) => plot.valToPos(value, "y", true));
    const isWide = wide >= 3 * devicePixelRatio;
    ctx.fillStyle = isWide ? (close[i] >= open[i] ? up : down) : plain;
    ctx.fillRect(x - 0.5 * devicePixelRatio, h, devicePixelRatio, Math.max(1, l - h));
    if (isWide) ctx.fillRect(x - body / 2, Math.min(o, c), body, Math.max(1, Math.abs(o - c)));
  }
  ctx.restore();
}

const symbol = document.getElementById("symbol");
const priceLog = document.getElementById("price-log");
const hues = ["#b7791f", "#6b46c1", "#0e7490", "#be185d", "#4d7c0f", "#9a3412"];
const chosen = () => data.traded[Number(symbol.value)];
const drawPrice = chart("price", () => {
  const { close, trades, bar, overlays = {} } = chosen();
  const hidden = (label, values) => [values, line(label, "transparent", price)];
  const lines = [
    ...(bar ? [hidden("Open", bar.open), hidden("High", bar.high), hidden("Low", bar.low)] : []),
    bar ? hidden("Close", close) : [close, line("Close", colour("muted"), price, { width: 1 })],
    ...Object.entries(overlays).map(([name, values], i) => [values, line(name, hues[i], price, { width: 1.2 })]),
  ];
  return {
    x: days,
    height: isNarrow() ? 300 : 380,
    axis: mark,
    columns: lines.map(([values]) => values),
    series: lines.map(([, series]) => series),
    isLog: priceLog.checked,
    onDraw: (plot) => {
      if (bar) candles(plot, bar, close);
      markers(plot, trades);
    },
  };
});

const panes = document.getElementById("panes");
function drawPanes() {
  const { panes: columns = {} } = chosen();
  panes.replaceChildren();
  Object.entries(columns).forEach(([name, values], i) => {
    const title = document.createElement("h3");
    title.textContent = name;
    const holder = Object.assign(document.createElement("div"), { id: `pane-${i}`, className: "chart" });
    holder.setAttribute("role", "img");
    holder.setAttribute("aria-label", `${name}, by session`);
    panes.append(title, holder);
    chart(holder.id, () => ({
      x: days, height: 150, axis: mark, columns: [values], series: [line(name, hues[i], price, { width: 1.2 })],
    }));
  });
}
if (panes) drawPanes();
symbol?.addEventListener("change", () => {
  drawPrice();
  drawPanes();
});
priceLog?.addEventListener("change", drawPrice);
