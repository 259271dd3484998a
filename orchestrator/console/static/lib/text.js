/** Text of models and people, shown as it is: nothing in it can turn the page around. */

import { h } from "./dom.js";

/** Characters that change the direction of what follows: they could make a text read otherwise. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/;

/** Nodes for a text; turning characters stand in it by their names. */
export function shown(text) {
  if (!TURNING.test(text)) return [text];
  return text.split(/([\u202a-\u202e\u2066-\u2069])/).map((part) => {
    if (!TURNING.test(part)) return part;
    const code = `U+${part.charCodeAt(0).toString(16).toUpperCase()}`;
    return h("span", { class: "badge", title: "a character that changes the direction" }, code);
  });
}

/** A text's beginning, of at most so many characters. */
export function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
