"use strict";
// The chart of a symbol: candles, volume, indicators over the prices or in panes of their own, dividends and splits.
(async () => {
  const box = document.getElementById("candles"), legend = document.getElementById("legend"), wanted = box.dataset;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const PALETTE = ["#2f7ed8", "#d98f1f", "#8a56c2", "#1f9e89", "#c2477f", "#7a8b2f"];

  async function rows(address, name) {
    const all = [];
    for (let token = null; ;) {
      const answer = await fetch(`/v1/${address}${token ? `&page_token=${token}` : ""}`);
      const page = await answer.json();
      if (!answer.ok) throw new Error(page.detail);
      all.push(...page[name]);
      token = page.next_page_token;
      if (!token) return all;
    }
  }

  const query = `limit=10000&adjustment=${wanted.adjustment}`;
  // Indicators are computed from daily bars; over longer bars only those of the same days would be shown.
  const adjustment = wanted.adjustment === "raw" ? "split" : wanted.adjustment;
  const names = wanted.timeframe === "1d" ? wanted.names : "";
  const indicators = `indicators/${wanted.symbol}?names=${encodeURIComponent(names)}&adjustment=${adjustment}&limit=10000`;
  const [bars, values, actions] = await Promise.all([
    rows(`bars/${wanted.symbol}?${query}&timeframe=${wanted.timeframe}`, "bars"),
    names ? rows(indicators, "indicators") : [],
    rows(`actions?symbols=${wanted.symbol}&limit=10000`, "actions"),
  ]);
  const chart = LightweightCharts.createChart(box, {
    autoSize: true,
    layout: {
      attributionLogo: false, background: { color: "transparent" }, textColor: style("--muted"),
      panes: { separatorColor: style("--line") },
    },
    grid: { vertLines: { color: style("--line") }, horzLines: { color: style("--line") } },
    rightPriceScale: { borderColor: style("--line") }, timeScale: { borderColor: style("--line") },
  });
  const full = bars.filter((bar) => bar.close !== null);
  const candles = chart.addSeries(LightweightCharts.CandlestickSeries, {
    upColor: style("--gain"), downColor: style("--loss"), borderVisible: false,
    wickUpColor: style("--gain"), wickDownColor: style("--loss"),
  });
  candles.setData(full.map(({ date, open, high, low, close }) => ({
    time: date, open: open ?? close, high: high ?? close, low: low ?? close, close,
  })));
  const volume = chart.addSeries(LightweightCharts.HistogramSeries, {
    priceFormat: { type: "volume" }, priceScaleId: "", color: style("--accent-soft"), lastValueVisible: false, priceLineVisible: false,
  });
  volume.priceScale().applyOptions({ scaleMargins: { top: 0.85, bottom: 0 } });
  volume.setData(full.map(({ date, volume: value }) => ({ time: date, value: value ?? 0 })));

  const lines = [];
  const overlays = wanted.overlays.split(" ");
  if (names) {
    const columns = Object.keys(values[0] ?? {}).filter((name) => !["symbol", "date", "close"].includes(name));
    const panes = new Map();
    columns.forEach((column, number) => {
      const isOver = wanted.adjustment !== "raw" && overlays.some((name) => column === name || column.startsWith(`${name}_`));
      const family = column.split("_")[0];
      if (!isOver && !panes.has(family)) panes.set(family, panes.size + 1);
      const color = PALETTE[number % PALETTE.length];
      const options = { color, lineWidth: 1, title: column, priceLineVisible: false, lastValueVisible: false };
      const line = chart.addSeries(LightweightCharts.LineSeries, options, isOver ? 0 : panes.get(family));
      line.setData(values.map((row) => (row[column] === null ? { time: row.date } : { time: row.date, value: row[column] })));
      lines.push([column, line]);
    });
    chart.panes().slice(1).forEach((pane) => pane.setStretchFactor(0.3));
  }

  const days = full.map((bar) => bar.date);
  const marks = actions.map(({ date, dividend, split_ratio: ratio }) => {
    const time = days.find((day) => day >= date);
    const isSplit = ratio !== 1;
    return time && {
      time, position: "belowBar", shape: isSplit ? "square" : "circle", size: isSplit ? 1 : 0.5,
      color: style("--accent"), text: isSplit ? `split ${ratio}` : "", id: `${dividend}`,
    };
  }).filter(Boolean);
  LightweightCharts.createSeriesMarkers(candles, marks);

  const price = (value) => (value === undefined || value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 4 }));
  function describe(bar, at) {
    if (!bar) return;
    const values = lines.map(([name, line]) => `${name} ${price(at(line)?.value)}`);
    legend.textContent = [`${bar.date ?? bar.time}: open ${price(bar.open)}, high ${price(bar.high)}, low ${price(bar.low)}, close ${price(bar.close)}`, ...values].join("; ");
  }
  const last = full[full.length - 1];
  describe(last, (line) => line.data()[line.data().length - 1]);
  chart.subscribeCrosshairMove((event) => {
    const bar = event.seriesData.get(candles);
    if (bar) describe(bar, (line) => event.seriesData.get(line));
  });
  chart.timeScale().setVisibleLogicalRange({ from: full.length - 252, to: full.length + 5 });
  // A live bar is one more candle, or the last one again: `update` refuses a time before the last.
  document.addEventListener("live-bar", ({ detail: bar }) => {
    const isShown = bar.symbol === wanted.name && wanted.timeframe === "1d" && bar.split_ratio === 1;
    if (!isShown || (last && bar.session <= last.date)) return;
    const { session: time, open, high, low, close } = bar, drawn = candles.data().at(-1);
    if (drawn && time < drawn.time) return;
    candles.update({ time, open, high, low, close });
    volume.update({ time, value: bar.volume });
    box.dataset.live = `${time} ${close}`;
  });
  box.dataset.ready = "yes";
  document.dispatchEvent(new Event("chart-ready"));
})().catch((error) => { document.getElementById("legend").textContent = `The chart cannot be drawn: ${error.message}`; });
