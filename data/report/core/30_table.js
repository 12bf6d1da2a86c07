
// A table that sorts by its headings and filters by a search field.
//   columns: {key, title, number, format(value, row), sort(row), cell(row), tone(row), optional, wide, search(row)}
//   options: rows, label (for the search field), limit, select(row), sortBy, descending
// Columns marked `optional` disappear when no row has their value.
function dataTable(columns, options) {
  const rows = options.rows;
  columns = columns.filter((column) => !column.optional || rows.some((row) => row[column.key] !== undefined && row[column.key] !== null));
  const state = {key: options.sortBy || null, descending: !!options.descending, text: "", limit: options.limit || Infinity, selected: null};
  const body = h("tbody");
  const count = h("span", {class: "count", role: "status"});
  const more = h("div", {class: "more"});
  const headings = columns.map((column) => h("th", {scope: "col", class: column.number ? "number" : null, "aria-sort": "none"},
    h("button", {type: "button", title: column.help, click: () => sortBy(column)}, column.title)));
  const table = h("table", null, h("thead", null, h("tr", null, headings)), body);
  const lines = new Map();

  const sortValue = (column, row) => (column.sort ? column.sort(row) : row[column.key]);
  const text = (row) => columns.map((column) => (column.search ? column.search(row) : column.number ? "" : row[column.key] ?? "")).join(" ").toLowerCase();

  function sortBy(column) {
    if (state.key === column.key) state.descending = !state.descending;
    else { state.key = column.key; state.descending = !!column.number; }
    draw();
  }

  function ordered() {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter((row) => { const all = text(row); return words.every((word) => all.includes(word)); });
    const column = columns.find((one) => one.key === state.key);
    if (!column) return found;
    const sign = state.descending ? -1 : 1;
    const missing = (value) => value === null || value === undefined || Number.isNaN(value);
    return found.map((row, index) => ({row, index, value: sortValue(column, row)})).sort((a, b) => {
      if (missing(a.value) || missing(b.value)) return missing(a.value) - missing(b.value) || a.index - b.index;
      const order = typeof a.value === "string" ? a.value.localeCompare(b.value, "en", {numeric: true}) : a.value - b.value;
      return sign * order || a.index - b.index;
    }).map((item) => item.row);
  }

  function cell(column, row) {
    const content = column.cell ? column.cell(row) : column.format ? column.format(row[column.key], row) : row[column.key] ?? "\u2013";
    const tone = column.tone ? column.tone(row) : null;
    return h("td", {class: [column.number && "number", column.wide && "wide", tone].filter(Boolean).join(" ") || null}, content);
  }

  function line(row) {
    const selectable = options.select ? {
      class: "selectable", tabindex: "0", "aria-selected": String(row === state.selected),
      click: () => select(row),
      keydown: (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); select(row); }
        if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); step(event.key === "ArrowDown" ? 1 : -1); }
      },
    } : null;
    const element = h("tr", selectable, columns.map((column) => cell(column, row)));
    lines.set(row, element);
    return element;
  }

  function draw() {
    columns.forEach((column, i) => headings[i].setAttribute("aria-sort", column.key !== state.key ? "none" : state.descending ? "descending" : "ascending"));
    const found = ordered();
    const shown = found.slice(0, state.limit);
    lines.clear();
    body.replaceChildren(...shown.map(line));
    if (found.length === 0) body.append(h("tr", null, h("td", {class: "empty", colspan: columns.length}, "Nothing matches \u201c" + state.text + "\u201d.")));
    count.textContent = found.length === rows.length ? show.count(rows.length, "row") : found.length + " of " + rows.length + " rows";
    more.replaceChildren();
    more.hidden = found.length <= shown.length;
    if (!more.hidden) more.append(h("button", {type: "button", click: () => { state.limit = Infinity; draw(); }}, "Show all " + found.length));
  }

  function select(row, focus = false) {
    state.selected = row;
    for (const [one, element] of lines) element.setAttribute("aria-selected", String(one === row));
    if (focus && lines.has(row)) { lines.get(row).focus({preventScroll: true}); lines.get(row).scrollIntoView({block: "nearest"}); }
    options.select(row);
  }

  function step(by) {
    const shown = [...lines.keys()];
    const next = shown[Math.max(0, Math.min(shown.length - 1, shown.indexOf(state.selected) + by))];
    if (next) select(next, true);
  }

  const field = h("input", {class: "field", type: "search", placeholder: options.label || "Search", "aria-label": options.label || "Search",
                            input: (event) => { state.text = event.target.value; draw(); },
                            keydown: (event) => { if (event.key === "Escape") { field.value = ""; state.text = ""; draw(); field.blur(); } }});
  const searchable = options.label !== undefined;
  draw();
  return {
    element: h("div", {class: "panel " + (options.class || "")}, searchable ? h("div", {class: "table-tools"}, field, options.extra, count) : null,
               h("div", {class: "scroll"}, table), more),
    select, step, field, rows,
    // Brings the selected row into sight without moving the page.
    reveal() {
      const element = lines.get(state.selected), box = table.parentElement;
      if (element) box.scrollTop = element.offsetTop - table.tHead.offsetHeight;
    },
    // Other rows, and with `text` another search.
    filter(replacement, text) {
      rows.splice(0, rows.length, ...replacement);
      if (text !== undefined) { state.text = text; field.value = text; }
      draw();
    },
  };
}
