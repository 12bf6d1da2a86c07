"use strict";

// The document is data from a stranger's model: text enters the page as text nodes only, never as markup.
const report = JSON.parse(document.getElementById("document").textContent);

// h("p", {class: "note"}, "text", child): attributes that are functions become listeners, null children are left out.
function h(tag, attributes, ...children) {
  const svg = ["svg", "rect", "text", "image", "g", "title"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

// A section registers itself; `part` names the member of the document it shows, and it appears only with it.
const sections = [];
function section({id, title, order, part, intro, render}) {
  sections.push({id, title, order, part, intro, render});
}
