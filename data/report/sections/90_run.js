
section({
  id: "run", title: "Run it again", order: 90, part: "run",
  intro: "Options, recipe and hashes of this run.",
  render: (run) => h("div", null,
    run.command ? h("div", {class: "panel padded"}, h("code", {class: "option"}, run.command)) : null,
    h("div", {class: "panel"}, h("pre", {class: "run", tabindex: "0"}, JSON.stringify(Object.assign({}, run, {recipes: undefined}), null, 2))),
    (run.recipes || []).map((recipe) => h("details", {class: "panel recipe"}, h("summary", null, "Recipe ", h("strong", null, recipe.name)),
      h("p", null, "Saved as a file, this is what ", h("code", null, "--recipe"), " takes:"), h("pre", {class: "run", tabindex: "0"}, JSON.stringify(recipe, null, 2))))),
});
