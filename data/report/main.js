
// Puts the sections on the page in order and wires the keyboard.
const kindNames = {quantize: "Quantization report", compare: "Comparison of recipes", analyze: "Sensitivity analysis"};

function has(part) {
  const value = report[part];
  return value !== undefined && value !== null && (!Array.isArray(value) || value.length > 0);
}

function build() {
  document.title = report.title + " \u2013 " + (kindNames[report.kind] || "qtool report");
  document.getElementById("kind").textContent = kindNames[report.kind] || "Report";
  document.getElementById("title").textContent = report.title;
  document.getElementById("subtitle").textContent = report.subtitle || "";
  document.getElementById("made-by").textContent = "Made by " + report.tool.name + " " + report.tool.version + ". This file needs no network and no other file.";
  if (!charts.available) document.getElementById("licences").remove();
  const main = document.getElementById("main"), contents = document.getElementById("contents");
  for (const one of sections.sort((a, b) => a.order - b.order).filter((item) => has(item.part))) {
    const content = one.render(report[one.part]);
    if (!content) continue;
    const intro = typeof one.intro === "function" ? one.intro(report[one.part]) : one.intro;
    main.append(h("section", {id: one.id, "aria-labelledby": one.id + "-title"},
      h("header", null, h("h2", {id: one.id + "-title"}, one.title), intro ? h("p", null, intro) : null), content));
    contents.append(h("a", {href: "#" + one.id}, one.title));
  }
}

function followScroll() {
  const links = [...document.querySelectorAll("#contents a")];
  const update = () => {
    const passed = [...document.querySelectorAll("main > section")].filter((one) => one.getBoundingClientRect().top < innerHeight / 3);
    const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    const current = atEnd ? links[links.length - 1] : links[Math.max(0, passed.length - 1)];
    for (const link of links) link === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  };
  addEventListener("scroll", update, {passive: true});
  update();
}

function moveSection(by) {
  const all = [...document.querySelectorAll("main > section")];
  const links = [...document.querySelectorAll("#contents a")];
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
  if (next) next.scrollIntoView();
}

function keyboard() {
  const help = document.getElementById("help");
  document.getElementById("help-button").addEventListener("click", () => help.showModal());
  document.getElementById("print-button").addEventListener("click", () => window.print());
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || help.open) return;
    const actions = {
      "/": () => (document.querySelector("#tensors input[type=search]") || document.querySelector("input[type=search]"))?.focus(),
      t: theme.toggle, n: () => moveSection(1), p: () => moveSection(-1), "?": () => help.showModal(),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
}

theme.start();
charts.start();
build();
followScroll();
keyboard();
