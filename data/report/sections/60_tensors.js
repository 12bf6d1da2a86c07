
// Shows a tensor by name in the explorer; set when the section is drawn.
let showTensor = null;
const tensorNames = new Set((report.tensors || []).map((tensor) => tensor.name));
function nameLink(name, recipe) {
  if (!tensorNames.has(name)) return name;
  return h("button", {type: "button", title: "Show its values", click: () => showTensor(name, recipe)}, name);
}

// Recipes that the tensors tell apart, and a tensor as one of them has it (null: it has no such tensor).
const tensorRecipes = (report.tensors || []).some((tensor) => tensor.by_recipe) ? report.compare.rows.slice(1).map((row) => row.name) : [];
function inRecipe(tensor, recipe) {
  const own = recipe && tensor.by_recipe ? tensor.by_recipe[recipe] : undefined;
  return own === null ? null : Object.assign({}, tensor, own);
}

section({
  id: "tensors", title: "Tensors and ranges", order: 60, part: "tensors",
  intro: "Every tensor with its grid. Choose a row to see how the values lie in the range.",
  render(tensors) {
    const detail = h("div", {class: "panel detail", "aria-live": "polite"});
    const kinds = ["all", ...new Set(tensors.map((tensor) => tensor.kind))];
    const select = (tensor) => { charts.discard(detail); if (tensor) detail.replaceChildren(...tensorDetail(tensor)); };
    const shown = () => tensors.map((tensor) => inRecipe(tensor, recipe.value)).filter((tensor) => tensor && (choice.value === "all" || tensor.kind === choice.value));
    const choose = (label, values, change) => h("select", {class: "field", style: "flex:0 0 auto", "aria-label": label, change}, values.map(([value, text]) => h("option", {value}, text)));
    const choice = choose("Kind of tensor", kinds.map((kind) => [kind, kind === "all" ? "all kinds" : kind]), () => table.filter(shown()));
    const recipe = choose("Recipe", tensorRecipes.map((name) => [name, "recipe " + name]), () => {
      const name = detail.querySelector("h3").textContent;
      table.filter(shown());
      const same = shown().find((tensor) => tensor.name === name);
      if (same) table.select(table.rows.find((tensor) => tensor.name === name) || same);
    });
    const table = dataTable([
      {key: "name", title: "Tensor", wide: true, search: (row) => row.name + " " + row.kind + " " + (row.op || ""),
       cell: (row) => [h("span", {class: "name"}, row.name), h("span", {class: "sub"}, [row.kind, row.op].filter(Boolean).join(" of "))]},
      {key: "bits", title: "Bits", number: true, sort: (row) => row.bits ?? 32, cell: (row) => row.bits ?? "float"},
      {key: "span", title: "Range", number: true, sort: (row) => (row.grid && known(row.grid.max) ? row.grid.max - row.grid.min : null),
       cell: (row) => (row.grid && known(row.grid.min) ? show.range([row.grid.min, row.grid.max]) : "\u2013")},
      {key: "sqnr_db", title: "SQNR, dB", number: true, optional: true, format: show.db},
    ], {rows: shown(), label: "Search tensors (/)", class: "list", select, extra: tensorRecipes.length > 1 ? [recipe, choice] : choice});
    showTensor = (name, inThis) => {
      choice.value = "all";
      if (inThis && tensorRecipes.includes(inThis)) recipe.value = inThis;
      table.filter(shown(), "");
      table.select(table.rows.find((tensor) => tensor.name === name));
      table.reveal();
      detail.scrollIntoView({block: "nearest"});
    };
    const worst = (report.worst_layers || []).map((layer) => table.rows.find((tensor) => tensor.name === layer.name)).find((tensor) => tensor && tensor.histogram);
    table.select(worst || table.rows.find((tensor) => tensor.histogram) || table.rows[0]);
    requestAnimationFrame(table.reveal);
    return h("div", {class: "explorer"}, table.element, detail);
  },
});

function tensorDetail(tensor) {
  const grid = tensor.grid || {};
  const steps = known(grid.max) && known(grid.scale) && grid.scale > 0 ? Math.round((grid.max - grid.min) / grid.scale) : null;
  const used = known(grid.scale) && tensor.observed && known(tensor.observed[0]) ? Math.min(steps ?? Infinity, Math.round((Math.min(tensor.observed[1], grid.max) - Math.max(tensor.observed[0], grid.min)) / grid.scale)) : null;
  const facts = [
    ["Made by", [tensor.op, tensor.node].filter(Boolean).join("  ")],
    ["Shape", tensor.shape && tensor.shape.length ? tensor.shape.join(" \u00d7 ") : null],
    ["Grid", tensor.bits ? tensor.bits + " bits" + (grid.symmetric ? ", symmetric" : "") + (grid.channels ? ", " + show.count(grid.channels, "channel") : "") : "none, stays float"],
    ["Range of the grid", known(grid.min) ? show.range([grid.min, grid.max]) : null],
    ["Observed", tensor.observed ? show.range(tensor.observed) : null],
    ["Step", known(grid.scale) ? show.real(grid.scale) + (known(grid.offset) ? ", offset " + grid.offset : "") : null],
    ["Levels in use", known(used) && known(steps) && used < steps ? used + " of " + steps : null],
    ["SQNR", known(tensor.sqnr_db) ? show.db(tensor.sqnr_db) + " dB" : null],
    ["Clipped", known(tensor.clipped) ? show.percent(tensor.clipped) + " % of the values" : null],
    ["Shares grid with", tensor.shares_with], ["Rule", tensor.source],
  ].filter(([, value]) => value);
  return [h("h3", null, tensor.name), h("dl", {class: "facts"}, facts.map(([name, value]) => [h("dt", null, name), h("dd", null, value)])),
          ...(tensor.by_recipe ? rangesByRecipe(tensor.name) : []), ...(tensor.histogram ? histogramPlot(tensor) : []), ...(tensor.channels ? channelPlot("Range of each channel", [["Channels", "accent", tensor.channels]]) : [])];
}

// The same tensor in every recipe.
function rangesByRecipe(name) {
  const tensor = report.tensors.find((one) => one.name === name);
  const cells = (one) => (one === null ? [h("td", {colspan: 3}, "not in this model")]
    : [h("td", {class: "number"}, one.bits ?? "float"), h("td", {class: "number"}, one.grid ? show.range([one.grid.min, one.grid.max]) : "\u2013"),
       h("td", {class: "number"}, known(one.clipped) ? show.percent(one.clipped) : "\u2013")]);
  return [h("h4", null, "By recipe"), h("div", {class: "scroll"}, h("table", {class: "small"},
    h("thead", null, h("tr", null, h("th", null, "Recipe"), ["Bits", "Range of the grid", "Clipped, %"].map((title) => h("th", {class: "number"}, title)))),
    h("tbody", null, tensorRecipes.map((recipe) => h("tr", null, h("td", null, recipe), cells(inRecipe(tensor, recipe)))))))];
}

function histogramPlot(tensor) {
  const {lo, width, counts} = tensor.histogram, grid = tensor.grid || {};
  const total = counts.reduce((sum, count) => sum + count, 0) || 1;
  let logarithmic = true;
  const make = () => {
    const least = logarithmic ? 100 / total * 0.5 : 0;
    const points = counts.map((count, i) => ({x: lo + i * width, y: Math.max(100 * count / total, least)}));
    points.push({x: lo + counts.length * width, y: least});
    return {
      type: "line",
      data: {datasets: [{data: points, stepped: true, pointRadius: 0, borderWidth: 1, borderColor: colour("muted"), backgroundColor: colour("reference"), fill: "start"}]},
      options: {
        parsing: false, interaction: {mode: "nearest", axis: "x", intersect: false},
        scales: {
          x: {type: "linear", min: Math.min(lo, grid.min ?? lo), max: Math.max(lo + counts.length * width, grid.max ?? lo), ticks: {maxTicksLimit: 7}, title: {text: "value"}},
          y: {type: logarithmic ? "logarithmic" : "linear", min: logarithmic ? least : 0, title: {text: "share of values, %"},
              ticks: {maxTicksLimit: 5, callback: (value) => (logarithmic && Math.abs(Math.log10(value) % 1) > 1e-6 ? "" : show.share(value))}},
        },
        plugins: {tooltip: {displayColors: false, callbacks: {
          title: (items) => show.real(items[0].parsed.x) + " \u2026 " + show.real(items[0].parsed.x + width),
          label: (item) => show.real(100 * (counts[item.dataIndex] || 0) / total) + " % of the values"}}},
      },
      plugins: known(grid.min) ? [rangeBand(grid.min, grid.max)] : [],
    };
  };
  const frame = charts.plot(make, {label: "Histogram of " + tensor.name + " with its range", low: true});
  const button = h("button", {type: "button", "aria-pressed": "true", click: () => {
    logarithmic = !logarithmic;
    button.setAttribute("aria-pressed", String(logarithmic));
    if (frame.redraw) frame.redraw();
  }}, "log scale");
  return [h("h4", null, "Values", charts.available ? button : null), frame, known(grid.min) ? legend(["reference", "values"], ["accent", "chosen range"]) : legend(["reference", "values"])];
}

// series: [label, colour, {min, max}] drawn over each other, the first one behind.
function channelPlot(title, series) {
  const count = series[0][2].min.length;
  const make = () => ({
    type: "bar",
    data: {labels: series[0][2].min.map((_, i) => i), datasets: series.map(([label, name, channels], i) => ({
      label, data: channels.min.map((lo, c) => [lo, channels.max[c]]), backgroundColor: colour(name), grouped: false, order: series.length - i,
      barPercentage: series.length > 1 && i > 0 ? 0.5 : 0.9, categoryPercentage: 1, minBarLength: 1}))},
    options: {
      scales: {x: {grid: {display: false}, ticks: {maxTicksLimit: 8, maxRotation: 0}, title: {text: "channel"}}, y: {ticks: {maxTicksLimit: 5}}},
      interaction: {mode: "index", intersect: false},
      plugins: {tooltip: {callbacks: {title: (items) => "channel " + items[0].label, label: (item) => item.dataset.label + " " + show.range(item.raw)}}},
    },
  });
  return [h("h4", null, title, h("span", null, count + " channels")), charts.plot(make, {label: title, low: true}),
          series.length > 1 ? legend(...series.map(([label, name]) => [name, label])) : null].filter(Boolean);
}
