// Runs inside the page under test, behind its own script: uses the page as a reader would and leaves what it saw in
// <pre id="outcome"> as JSON. Errors of the page were collected by window.problems from the very beginning.
(async () => {
  const seen = {};
  const pause = () => new Promise((resolve) => setTimeout(resolve, 60));
  const all = (selector) => [...document.querySelectorAll(selector)];
  const key = (name) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true}));
  await pause();
  seen.title = document.querySelector("h1").textContent;
  seen.sections = all("main > section").map((section) => section.id);
  seen.links = all("#contents a").length;
  seen.scripts_from_names = all("main script, main img").length;
  seen.unsafe_images = all("#images image").length;

  // sort: the layer table by name, twice
  const table = all("#sensitivity table").at(-1);
  const firstLayer = () => table.querySelector("tbody .name").textContent;
  seen.layers_at_start = firstLayer();
  table.querySelector("th button").click();
  seen.layers_by_name = firstLayer();
  seen.aria_sort = table.querySelector("th").getAttribute("aria-sort");
  table.querySelector("th button").click();
  seen.layers_by_name_down = firstLayer();
  seen.rows_shown = table.querySelectorAll("tbody tr").length;
  document.querySelector("#sensitivity .more button").click();
  seen.rows_after_more = table.querySelectorAll("tbody tr").length;

  // search
  key("/");
  const field = document.activeElement;
  seen.slash_focuses_search = field.type === "search" && field.closest("#tensors") !== null;
  field.value = "conv7";
  field.dispatchEvent(new Event("input"));
  seen.found = all("#tensors tbody .name").map((cell) => cell.textContent);
  field.value = "no such tensor";
  field.dispatchEvent(new Event("input"));
  seen.nothing = document.querySelector("#tensors tbody").textContent;
  field.value = "";
  field.dispatchEvent(new Event("input"));
  field.blur();

  // choosing a tensor, and a worst layer by its name
  all("#tensors tbody tr").at(2).click();
  await pause();
  seen.detail = document.querySelector("#tensors .detail h3").textContent;
  document.querySelector("#worst button").click();
  seen.detail_of_worst = document.querySelector("#tensors .detail h3").textContent;

  // another recipe: its range of the tensor that is shown, and not the tensors it does not have
  const recipe = document.querySelector("#tensors select[aria-label=Recipe]");
  const rows = () => document.querySelectorAll("#tensors .list tbody tr").length;
  all("#tensors .list tbody tr").at(2).click();
  seen.recipes = [...recipe.options].map((option) => option.value);
  const range = () => all("#tensors .detail dt").find((one) => one.textContent === "Range of the grid").nextSibling.textContent;
  seen.range_of_first = range();
  const of_first = rows();
  recipe.value = "recommended";
  recipe.dispatchEvent(new Event("change"));
  seen.range_of_second = range();
  seen.tensors_missing = of_first - rows();
  seen.ranges_side_by_side = all("#tensors .detail table tbody tr").length;

  // answers of a classifier, and masks
  seen.answers_that_differ = all("#images .differs").map((one) => one.firstChild.textContent);
  seen.shades = all("#images .shade").length;
  seen.recipes_to_run = all("#run details").length;

  // score slider
  const slider = document.querySelector("#images input[type=range]");
  const same = () => all("#images figure:first-child rect").length;
  seen.boxes = same();
  slider.value = "0.7";
  slider.dispatchEvent(new Event("input"));
  seen.boxes_above = same();
  seen.missing = all("#images rect.missing").length;

  // theme
  const before = document.documentElement.dataset.theme;
  const paper = getComputedStyle(document.body).backgroundColor;
  key("t");
  seen.theme_changed = before !== document.documentElement.dataset.theme && paper !== getComputedStyle(document.body).backgroundColor;
  window.dispatchEvent(new Event("beforeprint"));
  seen.theme_on_paper = document.documentElement.dataset.theme;
  window.dispatchEvent(new Event("afterprint"));

  seen.charts = typeof Chart !== "undefined";
  if (seen.charts) {
    charts.drawAll();
    seen.charts_drawn = [...charts.live].filter((plot) => plot.chart !== null).length;
    seen.charts_blank = [...charts.live].filter((plot) => {
      const {data} = plot.chart.ctx.getImageData(0, 0, plot.chart.canvas.width, plot.chart.canvas.height);
      return !data.some((value) => value !== 0);
    }).length;
  } else {
    seen.notice = document.getElementById("no-charts").textContent;
  }
  seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  seen.problems = window.problems;
  document.body.append(Object.assign(document.createElement("pre"), {id: "outcome", textContent: JSON.stringify(seen)}));
})();
