
// Light or dark: the reader's choice, else that of the system. Storage may be refused for local files.
const theme = {
  listeners: [],
  stored() {
    try { return localStorage.getItem("qtool-report-theme"); } catch { return null; }
  },
  store(name) {
    try { localStorage.setItem("qtool-report-theme", name); } catch { /* the choice lasts as long as the page */ }
  },
  get current() { return document.documentElement.dataset.theme; },
  set(name) {
    document.documentElement.dataset.theme = name;
    const button = document.getElementById("theme-button");
    button.textContent = name === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", "Switch to " + button.textContent.toLowerCase() + " colours");
    for (const listener of theme.listeners) listener();
  },
  toggle() {
    const next = theme.current === "dark" ? "light" : "dark";
    theme.set(next);
    theme.store(next);
  },
  start() {
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const chosen = theme.stored();
    theme.set(chosen === "dark" || chosen === "light" ? chosen : system.matches ? "dark" : "light");
    system.addEventListener("change", () => { if (!theme.stored()) theme.set(system.matches ? "dark" : "light"); });
    document.getElementById("theme-button").addEventListener("click", theme.toggle);
    // Paper is white.
    let before = null;
    window.addEventListener("beforeprint", () => { before = theme.current; theme.set("light"); });
    window.addEventListener("afterprint", () => { if (before) theme.set(before); before = null; });
  },
};
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
