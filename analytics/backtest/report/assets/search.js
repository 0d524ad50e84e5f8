// The heat map: a figure over two parameters, of several runs in a cell the median, the best or the worst
const formats = { percent, money, ratio, count: whole, days: ratio };
const [figureChoice, xChoice, yChoice, ofChoice] = ["figure", "x", "y", "of"].map((name) =>
  document.getElementById(`map-${name}`));

function fill(select, items, chosen) {
  items.forEach(({ label }, i) => select.add(new Option(label, i, i === chosen, i === chosen)));
}

function summarised(values, isLess) {
  const sorted = values.slice().sort((one, other) => one - other);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  const [worst, best] = isLess ? [sorted.at(-1), sorted[0]] : [sorted[0], sorted.at(-1)];
  return { median, best, worst }[ofChoice.value];
}

function drawMap() {
  const figure = data.figures[figureChoice.value];
  const [x, y] = [Number(xChoice.value), Number(yChoice.value)];
  const columns = data.parameters[x].values;
  const rows = x === y ? [""] : data.parameters[y].values;
  const groups = new Map();
  for (const row of data.rows) {
    const value = row[data.parameters.length + Number(figureChoice.value)];
    if (value === null) continue;
    const key = JSON.stringify([row[x], x === y ? "" : row[y]]);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  const cells = new Map([...groups].map(([key, values]) => [key, summarised(values, figure.less)]));
  const all = [...cells.values()];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const best = figure.less ? low : high;
  const table = document.getElementById("cells");
  table.replaceChildren();
  const head = table.createTHead().insertRow();
  const title = (content, scope) => {
    const cell = document.createElement("th");
    cell.textContent = content;
    cell.scope = scope;
    return cell;
  };
  const [across, down] = [data.parameters[x].label, x === y ? "" : data.parameters[y].label];
  head.append(title(down ? `${down} ↓ ${across} →` : `${across} →`, "col"), ...columns.map((name) => title(name, "col")));
  const body = table.createTBody();
  for (const name of rows) {
    const line = body.insertRow();
    line.append(title(name, "row"));
    for (const column of columns) {
      const cell = line.insertCell();
      const key = JSON.stringify([column, name]);
      if (!cells.has(key)) continue;
      const value = cells.get(key);
      const share = high > low ? (value - low) / (high - low) : 0.5;
      const good = figure.less ? 1 - share : share;
      cell.textContent = formats[figure.kind](value);
      cell.className = `heat ${good < 0.5 ? "down" : "up"}${value === best ? " best" : ""}`;
      cell.style.setProperty("--much", `${Math.round(Math.abs(good - 0.5) * 120)}%`);
      const count = groups.get(key).length;
      cell.title = `${across} ${column}${down ? `, ${down} ${name}` : ""}: ${count} ${count === 1 ? "run" : "runs"}`;
    }
  }
}

if (data.rows.length) {
  const wide = data.parameters.map(({ values }, i) => [values.length, i]).sort((one, other) => other[0] - one[0]);
  fill(figureChoice, data.figures, 0);
  fill(xChoice, data.parameters, wide[0]?.[1] ?? 0);
  fill(yChoice, data.parameters, wide[1]?.[1] ?? 0);
  for (const choice of [figureChoice, xChoice, yChoice, ofChoice]) choice.addEventListener("change", drawMap);
  if (data.parameters.length) drawMap();
}
