
section({
  id: "images", title: "Sample images", order: 80, part: "images",
  intro: (images) => (images.some((image) => image.views.some((view) => view.boxes))
    ? "The same picture through every variant, compared with the first."
    : images.some((image) => image.views.some((view) => view.mask)) ? "The same picture through every variant, with the share of each class." : "What every variant answers, best first; in red where it is not what the first one says."),
  render(images) {
    let threshold = 0.25;
    const list = h("div");
    const draw = () => list.replaceChildren(...images.map((image) => imagePanel(image, threshold)));
    const value = h("output", null, threshold.toFixed(2));
    const slider = h("label", {class: "slider"}, "Score at least", h("input", {type: "range", min: "0.05", max: "0.9", step: "0.05", value: threshold, input: (event) => {
      threshold = Number(event.target.value);
      value.textContent = threshold.toFixed(2);
      draw();
    }}), value);
    draw();
    const boxes = images.some((image) => image.views.some((view) => view.boxes));
    return h("div", null, boxes ? h("div", {class: "panel-head"}, h("p", {class: "legend"}, [["#21c063", "as the reference"], ["#ff4d3d", "not in the reference"], ["#ffd43b", "missing"]]
      .map(([shade, label]) => h("span", null, h("i", {style: "background:" + shade}), label))), slider) : null, list);
  },
});

const className = (index) => (report.classes && report.classes[index]) || "class " + index;

function overlap(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return width * height / (area(a) + area(b) - width * height);
}

// Pairs boxes of one class greedily by score, at an overlap of a half.
function matchBoxes(boxes, reference) {
  const free = new Set(reference);
  const matched = boxes.map((box) => {
    const found = [...free].filter((other) => other[5] === box[5] && overlap(box, other) >= 0.5).sort((a, b) => overlap(box, b) - overlap(box, a))[0];
    if (found) free.delete(found);
    return {box, mark: found ? "same" : "extra"};
  });
  return [...matched, ...[...free].map((box) => ({box, mark: "missing"}))];
}

function imagePanel(image, threshold) {
  const above = (boxes) => (boxes || []).filter((box) => box[4] >= threshold);
  const reference = above(image.views[0].boxes);
  const answers = image.views.every((view) => view.top && !view.mask);
  return h("div", {class: "panel padded"}, h("div", {class: "panel-head"}, h("h3", {class: "name"}, image.name), image.note ? h("p", null, image.note) : null),
    answers ? h("div", {class: "views answers"}, h("figure", null, picture(image, {}, [])), image.views.map((view, i) => answerList(image, view, i)))
      : h("div", {class: "views"}, image.views.map((view, i) => h("figure", null, picture(image, view, i === 0 ? reference.map((box) => ({box, mark: "same"})) : matchBoxes(above(view.boxes), reference)),
      h("figcaption", null, h("strong", null, view.name), view.boxes ? h("span", {class: "sub"}, caption(view, reference, above(view.boxes), i)) : null),
      view.top ? h("ol", {class: "top"}, view.top.map((one) => topLine(one, false))) : null))));
}

// A classifier's answers need the picture once only.
function answerList(image, view, index) {
  const wanted = (image.views[0].top[0] || {}).label;
  return h("figure", null, h("figcaption", null, h("strong", null, view.name)),
    h("ol", {class: "top"}, view.top.map((one, place) => topLine(one, index > 0 && place === 0 && one.label !== wanted))));
}

// One of the best classes, or a class of the mask with its colour. `differs`: the reference answers something else.
function topLine(one, differs) {
  const shade = /^#[0-9a-f]{6}$/.test(one.shade || "") ? h("i", {class: "shade", style: "background:" + one.shade}) : null;
  const share = known(one.score) ? (100 * one.score).toFixed(1) + " %" : "";
  return h("li", {class: differs ? "differs" : null}, h("span", null, shade, one.label), h("span", null, share));
}

function caption(view, reference, boxes, index) {
  if (index === 0) return show.count(boxes.length, "box", "boxes");
  const marks = matchBoxes(boxes, reference);
  const count = (mark) => marks.filter((one) => one.mark === mark).length;
  return [count("same") + " of " + reference.length, count("extra") ? count("extra") + " extra" : null, count("missing") ? count("missing") + " missing" : null].filter(Boolean).join(", ");
}

function picture(image, view, marks) {
  const {width, height} = image, size = Math.max(width, height) / 34;
  const safe = (uri) => uri && /^data:image\/(jpeg|png);base64,/.test(uri);
  return h("svg", {viewBox: "0 0 " + width + " " + height, role: "img", "aria-label": image.name + ", " + show.count(marks.length, "mark")},
    safe(image.uri) ? h("image", {href: image.uri, width, height}) : null,
    safe(view.mask) ? h("image", {href: view.mask, width, height, preserveAspectRatio: "none"}) : null,
    marks.map(({box, mark}) => h("g", null, h("rect", {class: mark, x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1]},
      h("title", null, className(box[5]) + " " + box[4].toFixed(2) + " (" + mark + ")")),
      mark === "missing" ? null : h("text", {x: box[0] + size / 5, y: Math.max(box[1], 0) + size, "font-size": size, "stroke-width": size / 6}, className(box[5]) + " " + box[4].toFixed(2)))));
}
