/** Bars: a share, and a named row of them. */

import { h } from "./dom.js";
import { coloured } from "./palette.js";

/** A bar of which this share (0 to 1) is filled; a picture only, the number stands beside it. */
export function meter(share, expert = null) {
  const filled = h("span", {});
  filled.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  const bar = h("span", { class: "meter", "aria-hidden": "true" }, filled);
  return expert === null ? bar : coloured(bar, expert);
}

/** Rows of name, bar and number; `rows` are `{name, share, number, strong}`. */
export function meters(rows) {
  return h(
    "ul",
    { class: "meters" },
    rows.map(({ name, share, number, strong }) =>
      h(
        "li",
        { class: strong ? "strong" : null },
        h("span", { class: "meter-name" }, name),
        meter(share, name),
        h("span", { class: "number" }, number),
      ),
    ),
  );
}
