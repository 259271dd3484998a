/** Takes this gateway out of a load balancer, and puts it back; for administrators. */

import { h } from "../../lib/dom.js";

export function drainButton({ api, say }) {
  let draining = false;
  const node = h("button", { type: "button", onclick: turn }, "Drain");

  async function turn() {
    node.disabled = true;
    try {
      const told = await api.json("/coterie/drain", { method: draining ? "DELETE" : "POST" });
      show(told.draining);
      say(told.draining ? "This gateway is not ready any more." : "This gateway is ready again.");
    } catch (error) {
      say(error.message);
    } finally {
      node.disabled = false;
    }
  }

  /** As the stream of events tells it. */
  function show(now) {
    draining = now;
    const words = draining ? "End the drain" : "Drain";
    if (node.textContent !== words) node.textContent = words;
  }

  return { node, show };
}
