/** Makes DOM nodes. What comes from outside only ever becomes text: there is no HTML in strings. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: `h("button", {class: "quiet", onclick: send}, "Send")`.
 * Functions are listeners, `true` sets a bare attribute, `false`, `null` and `undefined` none.
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for a picture's elements. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  // Children first: a select has a value among its options only, and what is put into a node with
  // `dir=auto` makes the browser look at all of its text once more.
  append(node, children);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") node[name] = value;
    else if (value === true) node.setAttribute(name, "");
    else if (isThere(value)) node.setAttribute(name, value);
  }
  return node;
}

/** Children as they may be written: nodes, texts, numbers, lists of these, and nothing at all. */
function append(node, children) {
  for (const one of children) {
    if (Array.isArray(one)) append(node, one);
    else if (isThere(one)) node.append(one);
  }
}

function isThere(value) {
  return value !== null && value !== undefined && value !== false;
}

/** Puts these children in the place of those that an element has. */
export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

/** A block that opens, with a summary. */
export function folded(summary, ...children) {
  return h("details", {}, h("summary", {}, summary), ...children);
}

/** An id for a field and its label, another one each time. */
export function fresh(prefix) {
  fresh.count = (fresh.count ?? 0) + 1;
  return `${prefix}-${fresh.count}`;
}
