
section({
  id: "sensitivity", title: "Sensitivity by layer", order: 50, part: "sensitivity",
  intro: (sensitivity) => sensitivity.measure,
  render(sensitivity) {
    const layers = sensitivity.layers;
    const table = dataTable([
      {key: "name", title: "Layer", wide: true, search: (row) => row.name + " " + (row.op || "") + " " + (row.cause || ""),
       cell: (row) => [h("span", {class: "name"}, row.name), row.op ? h("span", {class: "sub"}, row.op) : null]},
      {key: "on_loss", title: "Alone, %", help: "output noise when only this layer is quantized", number: true, optional: true, format: show.percent},
      ...blockColumns(layers, "on_blocks"),
      {key: "on_metric", title: (sensitivity.metric || "Metric") + " alone", number: true, optional: true, format: show.fixed(2)},
      {key: "off_gain_db", title: "Gain in float, dB", help: "what leaving this layer in float gains when all else is quantized", number: true, optional: true, format: show.signed(2)},
      {key: "off_metric", title: (sensitivity.metric || "Metric") + " without", number: true, optional: true, format: show.fixed(2)},
      {key: "cause", title: "Cause", optional: true, wide: true, cell: (row) => [row.cause || "\u2013", row.option ? h("span", {class: "sub"}, "try ", h("code", {class: "option"}, row.option)) : null]},
    ], {rows: [...layers], label: "Search layers", limit: 20, sortBy: "on_loss", descending: true});
    return h("div", null, totals(sensitivity), layers.length > 1 ? sensitivityChart(layers) : null, table.element);
  },
});

// One column of SQNR for each output block; null stands for no noise at all.
function blockColumns(rows, part) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row[part] || {})))];
  const value = (row, name) => (row[part] || {})[name];
  return names.map((name) => ({
    key: part + " " + name, title: name + ", dB", number: true,
    sort: (row) => (value(row, name) === null ? Infinity : value(row, name)),
    cell: (row) => (value(row, name) === null ? "exact" : show.db(value(row, name)))}));
}

function totals(sensitivity) {
  if (!sensitivity.totals || sensitivity.totals.length === 0) return null;
  return dataTable([
    {key: "name", title: "Quantized"},
    {key: "loss", title: "Output noise, %", number: true, optional: true, format: show.percent},
    ...blockColumns(sensitivity.totals, "blocks"),
    {key: "metric", title: sensitivity.metric || "Metric", number: true, optional: true, format: show.fixed(2)},
  ], {rows: [...sensitivity.totals]}).element;
}

function sensitivityChart(layers) {
  const kinds = [
    {key: "on_loss", label: "Alone", axis: "output noise with only this layer quantized, % of the signal"},
    {key: "off_gain_db", label: "Gain in float", axis: "gain of leaving this layer in float, dB"},
  ].filter((kind) => layers.some((layer) => known(layer[kind.key])));
  if (kinds.length === 0) return null;
  let kind = kinds[0];
  const top = () => layers.filter((layer) => known(layer[kind.key])).sort((a, b) => b[kind.key] - a[kind.key]).slice(0, 24);
  const shorten = (name) => (name.length > 42 ? name.slice(0, 16) + "\u2026" + name.slice(-25) : name);
  const make = () => {
    const rows = top();
    return {
      type: "bar",
      data: {labels: rows.map((row) => shorten(row.name)), datasets: [{data: rows.map((row) => row[kind.key]), backgroundColor: colour("accent"), maxBarThickness: 14}]},
      options: {
        indexAxis: "y",
        scales: {x: {title: {text: kind.axis}}, y: {grid: {display: false}, ticks: {autoSkip: false}}},
        plugins: {tooltip: {callbacks: {title: (items) => rows[items[0].dataIndex].name, label: (item) => show.real(item.parsed.x), afterLabel: (item) => rows[item.dataIndex].cause || ""}}},
      },
    };
  };
  const frame = charts.plot(make, {label: "The layers that hurt most", height: 60 + 20 * Math.min(24, layers.length)});
  const buttons = kinds.map((one) => h("button", {type: "button", "aria-pressed": String(one === kind), click: () => {
    kind = one;
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(kinds[i] === kind)));
    if (frame.redraw) frame.redraw();
  }}, one.label));
  return h("div", {class: "panel padded"},
    h("div", {class: "panel-head"}, h("h3", null, "The layers that hurt most"), kinds.length > 1 ? h("div", {class: "choices"}, buttons) : null), frame);
}
