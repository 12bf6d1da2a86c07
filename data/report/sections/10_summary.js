
section({
  id: "summary", title: "Summary", order: 10, part: "cards",
  render: (cards) => [
    h("div", {class: "cards"}, cards.map((card) => h("div", {class: "panel card " + (card.tone || "")},
      h("p", {class: "label"}, card.label), h("p", {class: "value"}, card.value), card.note ? h("p", {class: "note"}, card.note) : null))),
    (report.warnings || []).map((text) => h("p", {class: "notice warn"}, h("strong", null, "Warning: "), text)),
    (report.advice || []).map((text) => h("p", {class: "notice"}, h("strong", null, "Advice: "), text)),
    charts.available ? null : h("p", {class: "notice", id: "no-charts"}, h("strong", null, "Charts are left out: "),
      "this qtool was built without Chart.js (package libjs-chart.js). All figures stand in the tables."),
  ].flat().reduce((box, child) => { if (child) box.append(child); return box; }, h("div")),
});
