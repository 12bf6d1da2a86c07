
// Stages that found nothing to do, one behind the other, are one row.
function quietStagesJoined(stages) {
  const idle = (row) => row.decision === "nothing to do";
  const rows = [];
  for (const row of stages) {
    const last = rows.at(-1);
    if (last && idle(last) && idle(row) && last.recipe === row.recipe) {
      const seconds = last.seconds === undefined ? row.seconds : last.seconds + (row.seconds ?? 0);
      rows[rows.length - 1] = {...last, name: `${last.name}, ${row.name}`, seconds, reason: [last.reason, row.reason].filter(Boolean).join("; ")};
    } else {
      rows.push(row);
    }
  }
  return rows;
}

section({
  id: "stages", title: "Stages", order: 30, part: "stages",
  intro: "What each step of the optimization did to the held-out images, and whether it was kept.",
  render: (stages) => dataTable([
    {key: "recipe", title: "Recipe", optional: true},
    {key: "name", title: "Stage", cell: (row) => h("strong", null, row.name)},
    {key: "sqnr_db", title: "SQNR, dB", number: true, optional: true, format: show.db},
    {key: "proxy", title: "Proxy", number: true, optional: true, format: show.real},
    {key: "agreement", title: "Agreement, %", number: true, optional: true, format: show.fixed(1)},
    {key: "metric", title: "Metric", number: true, optional: true, format: show.fixed(2)},
    {key: "gain", title: "Gain", number: true, optional: true, format: show.signed(2), tone: (row) => (row.gain > 0 ? "good" : row.gain < 0 ? "bad" : null)},
    {key: "seconds", title: "Time, s", number: true, optional: true, format: show.fixed(2)},
    {key: "decision", title: "Decision", optional: true, cell: (row) => (row.decision
      ? h("span", {class: "tag " + (/^(accept|kept|keep|base)/.test(row.decision) ? "good" : /^(reject|revert|rolled)/.test(row.decision) ? "bad" : "")}, row.decision) : "\u2013")},
    {key: "reason", title: "Reason", optional: true, wide: true},
  ], {rows: quietStagesJoined(stages)}).element,
});
