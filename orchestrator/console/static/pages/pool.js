/** The pool: what lies in the slots, who waits, what is answered, and what came and went. */

import { isAdmin } from "../lib/admin.js";
import { fill, h } from "../lib/dom.js";
import { LivePool } from "../lib/live.js";
import { refill } from "../lib/refill.js";
import { rate, timeOfDay } from "../lib/units.js";
import { drainButton } from "./pool/drain.js";
import { renderExpert } from "./pool/expert.js";
import { expertsTable } from "./pool/experts.js";
import { slotCards } from "./pool/slots.js";
import { timeline } from "./pool/timeline.js";

export async function render(root, shell) {
  if (shell.path[0]) return renderExpert(root, shell, shell.path[0]);
  const { api, signal } = shell;
  const parts = {
    state: h("p", { class: "row muted", "aria-live": "off" }),
    slots: h("div", { class: "grid slots" }),
    experts: h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Experts" }),
    timeline: h("div"),
  };
  const drain = (await isAdmin(api, signal)) ? drainButton(shell) : null;
  const live = new LivePool(() => draw());
  let due = 0;

  /** At most once for each picture that the screen shows. */
  function draw() {
    if (due || signal.aborted) return;
    due = requestAnimationFrame(() => {
      due = 0;
      if (signal.aborted) return;
      fill(parts.state, ...stateOf(live));
      const stale = live.heard !== null && !live.connected;
      for (const part of [parts.slots, parts.experts, parts.timeline])
        part.classList.toggle("stale", stale);
      drain?.show(live.draining);
      if (live.pool === null) return;
      refill(parts.slots, slotCards(live));
      refill(parts.experts, expertsTable(live));
      timeline(parts.timeline, live);
    });
  }

  fill(
    root,
    h("div", { class: "row spread" }, h("h1", {}, "Pool"), parts.state, drain?.node),
    h("section", { "aria-labelledby": "slots" }, h("h2", { id: "slots" }, "Slots"), parts.slots),
    h(
      "section",
      { "aria-labelledby": "experts" },
      h("h2", { id: "experts" }, "Experts"),
      parts.experts,
    ),
    h(
      "section",
      { "aria-labelledby": "moves" },
      h("h2", { id: "moves" }, "The last ten minutes"),
      parts.timeline,
    ),
  );
  draw();
  // The timeline moves on also when nothing happens.
  const clock = setInterval(draw, 2000);
  signal.addEventListener("abort", () => clearInterval(clock));
  try {
    await live.listen(api, signal);
  } catch (error) {
    fill(root, h("h1", {}, "Pool"), h("p", { class: "fault", role: "alert" }, error.message));
  }
}

/** What is under way in all. */
function stateOf(live) {
  const words = live.connected ? "live" : live.fault ? "reconnecting" : "connecting";
  const badge = h(
    "span",
    { class: live.connected ? "badge on" : "badge", id: "connection" },
    words,
  );
  const fault = live.fault && h("span", { class: "fault" }, live.fault);
  if (live.pool === null) return [fault, badge];
  if (!live.connected) {
    const words = `The last that was heard, as of ${timeOfDay(live.heard)}`;
    return [h("span", { id: "as-of" }, words), fault, badge];
  }
  return [
    h("span", {}, `${live.inFlight} in flight`),
    h("span", {}, `${rate(live.rate("requests"))} requests/s`),
    h("span", {}, `${rate(live.rate("tokens"))} tokens/s`),
    fault,
    badge,
  ];
}
