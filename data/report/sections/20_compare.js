
section({
  id: "compare", title: "Recipes compared", order: 20, part: "compare",
  intro: (compare) => [
    compare.metric.name + (compare.images ? " on " + show.count(compare.images, "image") : "") + ", the same images and the same post-processing for every row.",
    compare.confidence ? " Intervals hold the drop with " + Math.round(100 * compare.confidence) + " % confidence (bootstrap over images); one that contains 0 may be noise." : "",
    known(compare.max_drop) ? " The gate allows a drop of " + compare.max_drop + "." : "",
    compare.sqnr_images ? " SQNR is over " + show.count(compare.sqnr_images, "image") + "." : "",
  ].join(""),
  render(compare) {
    const interval = (row) => known(row.drop_low) && known(row.drop_high);
    const isNoise = (row) => interval(row) && row.drop_low <= 0 && row.drop_high >= 0;
    const intervalText = (row) => [row.drop_low, row.drop_high].map((value) => show.fixed(2)(value).replace("-", "\u2212")).join(" \u2026 ");
    const unit = compare.metric.unit ? ", " + compare.metric.unit : "";
    const table = dataTable([
      {key: "name", title: "Recipe", wide: true, cell: (row) => [h("strong", null, row.name), row.note ? h("span", {class: "sub"}, row.note) : null]},
      {key: "metric", title: compare.metric.name + unit, number: true, optional: true, format: show.fixed(2)},
      {key: "drop", title: "Drop", help: "points lost against " + (compare.reference || "FP32") + ", with the interval below", number: true, optional: true,
       cell: (row) => (row.name === compare.reference ? "\u2013" : [show.fixed(2)(row.drop), interval(row) ? h("span", {class: "sub"}, intervalText(row)) : null]),
       tone: (row) => (!known(row.drop) || row.name === compare.reference ? null : isNoise(row) ? null : row.drop > 0 ? "bad" : "good")},
      {key: "gain", title: "Gain", help: "of the metric over the recipe with a part of these stages", number: true, optional: true,
       cell: (row) => (known(row.gain) ? [show.signed(2)(row.gain), h("span", {class: "sub"}, "over " + row.gain_over)] : "\u2013"),
       tone: (row) => (row.gain > 0 ? "good" : row.gain < 0 ? "bad" : null)},
      {key: "sqnr_db", title: "SQNR, dB", number: true, optional: true, help: "of the output block that fares worst",
       cell: (row) => [show.db(row.sqnr_db), ...Object.entries(row.blocks || {}).map(([block, db]) => h("span", {class: "sub"}, block + " " + show.db(db)))]},
      {key: "agreement", title: "Agree, %", help: "images with the same best class as FP32", number: true, optional: true, format: show.fixed(1)},
      {key: "size_bytes", title: "Size", number: true, optional: true, format: show.size},
      {key: "seconds", title: "Time, s", help: "to quantize, and below to measure", number: true, optional: true,
       cell: (row) => [show.fixed(1)(row.seconds), known(row.evaluate_seconds) ? h("span", {class: "sub"}, "measured in " + show.fixed(1)(row.evaluate_seconds)) : null]},
      {key: "passes", title: "Gate", optional: true, cell: (row) => (row.passes === true ? h("span", {class: "tag good"}, "passes") : row.passes === false ? h("span", {class: "tag bad"}, "fails") : "\u2013")},
    ], {rows: [...compare.rows]});
    const bars = compare.rows.filter((row) => known(row.drop) && row.name !== compare.reference);
    return h("div", null, table.element, bars.length ? dropChart(compare, bars) : null);
  },
});

function dropChart(compare, rows) {
  const ends = rows.map((row) => (known(row.drop_low) && known(row.drop_high) ? [row.drop_low, row.drop_high] : [row.drop, row.drop]));
  const make = () => ({
    type: "bar",
    data: {labels: rows.map((row) => row.name), datasets: [
      {data: rows.map((row) => row.drop), backgroundColor: rows.map((row) => colour(row.drop > 0 ? "accent" : "good")), barThickness: 14, order: 2},
      {data: ends, backgroundColor: colour("text"), barThickness: 2, grouped: false, order: 1},
    ]},
    options: {
      indexAxis: "y",
      scales: {x: {min: Math.min(0, 1.1 * Math.min(...ends.flat())), title: {text: "drop of " + compare.metric.name + " against " + (compare.reference || "FP32")}}, y: {grid: {display: false}, stacked: true}},
      plugins: {tooltip: {callbacks: {label: (item) => (item.datasetIndex === 0 ? "drop " + show.fixed(2)(rows[item.dataIndex].drop)
        : "interval " + ends[item.dataIndex].map(show.fixed(2)).join(" \u2026 "))}}},
    },
    plugins: known(compare.max_drop) ? [gateLine(compare.max_drop)] : [],
  });
  return h("div", {class: "panel padded"}, h("div", {class: "panel-head"}, h("h3", null, "Drop and its interval"), h("p", null, "shorter is better")),
    charts.plot(make, {label: "Drop of each recipe with its confidence interval", height: 70 + 34 * rows.length}),
    known(compare.max_drop) ? legend(["accent", "drop"], ["text", "confidence interval"], ["bad", "gate"]) : legend(["accent", "drop"], ["text", "confidence interval"]));
}

// The largest drop allowed, as a line across the bars.
function gateLine(value) {
  return {
    id: "gateLine",
    afterDatasetsDraw({ctx, chartArea: area, scales: {x}}) {
      const at = x.getPixelForValue(value);
      if (at < area.left || at > area.right) return;
      ctx.save();
      ctx.strokeStyle = colour("bad");
      ctx.setLineDash([4, 3]);
      ctx.beginPath();
      ctx.moveTo(at, area.top);
      ctx.lineTo(at, area.bottom);
      ctx.stroke();
      ctx.restore();
    },
  };
}
