
section({
  id: "equalization", title: "Equalization", order: 70, part: "equalization",
  intro: "Channel ranges of the weights before and after channels were rescaled. One grid for a tensor serves its widest channel; narrow ones are left with few levels.",
  render(layers) {
    const widest = ({min, max}) => min.map((lo, i) => Math.max(Math.abs(lo), Math.abs(max[i])));
    const median = (values) => { const sorted = values.filter((value) => value > 0).sort((a, b) => a - b); return sorted.length ? sorted[sorted.length >> 1] : NaN; };
    const spread = (channels) => { const all = widest(channels); return Math.max(...all) / median(all); };
    const rows = layers.map((layer) => ({name: layer.name, before: spread(layer.before), after: spread(layer.after), layer}));
    rows.sort((a, b) => b.before / b.after - a.before / a.after);
    const detail = h("div", {class: "panel detail"});
    const table = dataTable([
      {key: "name", title: "Weight", wide: true, cell: (row) => [h("span", {class: "name"}, row.name), row.layer.recipes ? h("span", {class: "sub"}, "in " + row.layer.recipes.join(", ")) : null]},
      {key: "before", title: "Before", number: true, help: "widest channel over the median one", format: (value) => (known(value) ? value.toFixed(1) + "\u00d7" : "\u2013")},
      {key: "after", title: "After", number: true, format: (value) => (known(value) ? value.toFixed(1) + "\u00d7" : "\u2013")},
    ], {rows, label: "Search weights", class: "list", select: (row) => {
      charts.discard(detail);
      detail.replaceChildren(h("h3", null, row.name), ...channelPlot("Range of each channel", [["before", "reference", row.layer.before], ["after", "accent", row.layer.after]]));
    }});
    table.select(rows[0]);
    return h("div", {class: "explorer"}, table.element, detail);
  },
});
