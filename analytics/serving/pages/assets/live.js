"use strict";
// Live bars and alerts on a page, over its one EventSource. A cell with data-live="SYMBOL" shows a column of the live bar;
// data-after is the day of what it shows without one, which an older session does not replace.
(() => {
  const line = document.getElementById("live"), list = document.getElementById("alerts");
  const cells = new Map();
  for (const cell of document.querySelectorAll("[data-live]")) {
    if (!cells.has(cell.dataset.live)) cells.set(cell.dataset.live, []);
    cells.get(cell.dataset.live).push(cell);
  }
  const symbols = [...cells.keys()].slice(0, 500).map((name) => `"${name.replaceAll('"', '""')}"`).join(",");
  const number = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const signed = (value) => `${value > 0 ? "+" : ""}${number(value, 2)}%`;
  const clock = (at) => new Date(at).toISOString().slice(11, 19);
  const newest = new Map();
  let session = null, at = 0, state = "";

  function describe() {
    const words = { streaming: "Live", waiting: "No live bars yet", ended: "The live session has ended", failed: "The source of live bars has failed, and is tried again", stopping: "The server stops" };
    line.textContent = `${words[state] ?? state}${session ? `: ${session}` : ""}${at ? `, newest trade ${clock(at)} UTC` : ""}`;
  }

  function show(cell, bar) {
    if (cell.dataset.after && bar.session <= cell.dataset.after) return;
    const value = bar[cell.dataset.column], isChange = cell.dataset.column === "change_percent";
    // Without a previous close, there is no change: that of the day before would be one of another price.
    if (value === null) cell.textContent = "–";
    else cell.textContent = isChange ? signed(value) : number(value, Math.abs(value) < 1 ? 4 : 2);
    if (isChange) {
      cell.classList.toggle("gain", value > 0);
      cell.classList.toggle("loss", value < 0);
    }
    cell.classList.toggle("live", value !== null);
  }

  const source = new EventSource(`/v1/stream${symbols ? `?symbols=${encodeURIComponent(symbols)}` : ""}`);
  source.addEventListener("status", (event) => {
    const status = JSON.parse(event.data);
    if (status.alerts_dropped) return;
    ({ state, session } = status);
    describe();
  });
  source.addEventListener("bar", (event) => {
    const bar = JSON.parse(event.data);
    newest.set(bar.symbol, bar);
    at = Math.max(at, bar.at);
    for (const cell of cells.get(bar.symbol) ?? []) show(cell, bar);
    document.dispatchEvent(new CustomEvent("live-bar", { detail: bar }));
    describe();
  });
  source.addEventListener("alert", (event) => {
    if (!list) return;
    const alert = JSON.parse(event.data), item = document.createElement("li");
    const link = Object.assign(document.createElement("a"), { href: `/symbol/${encodeURIComponent(alert.symbol)}`, textContent: alert.symbol });
    item.append(`${alert.at.slice(11, 19)} `, ...(alert.symbol ? [link, " "] : []), `${alert.rule.replaceAll("_", " ")}: ${alert.message}`);
    list.prepend(item);
    document.getElementById("new-alerts").hidden = false;
  });
  source.addEventListener("generation", () => {
    document.getElementById("new-generation").hidden = false;
  });
  source.addEventListener("error", () => {
    line.textContent = source.readyState === EventSource.CLOSED
      ? "No connection to the server: reload the page for live bars."
      : "The connection is lost; it is tried again. What is shown may be old.";
  });
  // The chart may be ready after the first bars.
  document.addEventListener("chart-ready", () => newest.forEach((detail) => document.dispatchEvent(new CustomEvent("live-bar", { detail }))));
})();
