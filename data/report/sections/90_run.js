
section({
  id: "run", title: "Run it again", order: 90, part: "run",
  intro: "Options, recipe and hashes of this run.",
  render: (run) => h("div", null,
    run.command ? h("div", {class: "panel padded"}, h("code", {class: "option"}, run.command)) : null,
    h("div", {class: "panel"}, h("pre", {class: "run", tabindex: "0"}, JSON.stringify(run, null, 2)))),
});
