/** Puts new nodes in the place of old ones many times a second, and the focus where it was. */

import { fill } from "./dom.js";

/** What may hold the focus has a `data-key` of its own. */
export function refill(place, ...children) {
  const active = document.activeElement;
  const key = place.contains(active) ? active.dataset.key : undefined;
  fill(place, ...children);
  if (key) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}
