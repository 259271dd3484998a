/** Takes this gateway out of a load balancer, and puts it back; for administrators. */

import { h } from "../../lib/dom.js";

const SURE = "Really take this gateway out?";

export function drainButton({ api, say, look }) {
  let draining = false;
  const node = h("button", { type: "button", onclick: turn }, "Drain");

  async function turn() {
    // Twice: other people's requests go elsewhere from then on.
    if (!draining && !node.dataset.sure) {
      node.dataset.sure = "yes";
      node.textContent = SURE;
      return;
    }
    unsure();
    node.disabled = true;
    try {
      const told = await api.json("/coterie/drain", { method: draining ? "DELETE" : "POST" });
      show(told.draining);
      look();
      say(told.draining ? "This gateway is not ready any more." : "This gateway is ready again.");
    } catch (error) {
      say(error.message);
    } finally {
      node.disabled = false;
    }
  }

  /** As the stream of events tells it. */
  function show(now) {
    if (draining !== now) delete node.dataset.sure;
    draining = now;
    if (node.dataset.sure) return;
    const words = draining ? "End the drain" : "Drain";
    if (node.textContent !== words) node.textContent = words;
  }

  function unsure() {
    delete node.dataset.sure;
    show(draining);
  }

  node.addEventListener("blur", unsure);
  return { node, show };
}
