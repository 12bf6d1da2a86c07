
section({
  id: "worst", title: "Worst layers", order: 40, part: "worst_layers",
  intro: "Where accuracy is lost, why, and the option that addresses it.",
  render: (layers) => h("div", {class: "worst"}, layers.map((layer) => h("article", {class: "panel"},
    h("div", {class: "line"}, h("h3", {class: "name"}, nameLink(layer.name, (layer.recipes || [])[0])), layer.figure ? h("span", {class: "figure"}, layer.figure) : null),
    h("p", null, layer.kind ? h("span", {class: "tag " + (layer.tone || "warn")}, layer.kind) : null, layer.op ? " " : null, layer.op ? h("span", {class: "tag"}, layer.op) : null),
    layer.recipes ? h("p", {class: "sub"}, "in " + layer.recipes.join(", ")) : null,
    h("p", null, layer.cause),
    layer.option ? h("p", {class: "remedy"}, "Try ", h("code", {class: "option"}, layer.option)) : null))),
});
