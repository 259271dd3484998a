/** When engines were in a slot during the last ten minutes, and how long they took to come. */

import { fill, h, folded } from "../../lib/dom.js";
import { count } from "../../lib/format.js";
import { lanes } from "../../lib/pictures.js";
import { seconds, timeOfDay } from "../../lib/units.js";

export const SPAN_S = 600;
const COMES = new Set(["loaded", "woke"]);
const SHOWN = 40;

/** What scrolls stays where it is: only what is in it is drawn again. */
export function timeline(place, live) {
  const now = live.now();
  const recent = live.moves.filter((move) => move.at > now - SPAN_S);
  const label = `${count(recent.length, "move")} in the last ten minutes`;
  if (!place.firstChild) {
    const region = { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Timeline" };
    const list = h("ol", {
      class: "moves small",
      tabindex: 0,
      "aria-label": "Loads and evictions",
    });
    fill(place, h("div", region), folded("", list));
  }
  const ticks = [10, 8, 6, 4, 2, 0].map((minutes) => ({
    at: now - 60 * minutes,
    words: minutes ? `−${minutes} min` : "now",
  }));
  const rows = rowsOf(live, now - SPAN_S, now);
  const first = !place.firstChild.firstChild;
  fill(place.firstChild, lanes(now - SPAN_S, now, rows, ticks, label));
  if (first) place.firstChild.scrollLeft = place.firstChild.scrollWidth;
  const [summary, list] = place.lastChild.children;
  if (summary.textContent === label && list.dataset.last === String(recent.at(-1)?.at)) return;
  summary.textContent = label;
  list.dataset.last = String(recent.at(-1)?.at);
  fill(list, movesIn(recent));
}

/** One lane for each engine that was in a slot. */
export function rowsOf(live, from, now) {
  const here = live.pool.slots.flatMap((slot) =>
    slot.replicas.map((one) => ({ engine: one.engine, slot: slot.id, phase: one.phase })),
  );
  const moved = live.moves.filter((move) => move.at > from);
  const engines = [...new Set([...here, ...moved].map((one) => one.engine))].sort();
  return engines.map((engine) => {
    const own = live.moves.filter((move) => move.engine === engine);
    const slots = [
      ...new Set([...own, ...here.filter((one) => one.engine === engine)].map((one) => one.slot)),
    ];
    const spans = slots.flatMap((slot) =>
      spansIn(
        own.filter((move) => move.slot === slot),
        slot,
        from,
        now,
        here.find((one) => one.engine === engine && one.slot === slot),
      ),
    );
    return { name: engine, spans };
  });
}

/** From its moves in one slot: while it came, while it was there, and when it failed. */
function spansIn(moves, slot, from, now, present) {
  const spans = [];
  let since = moves.length && !COMES.has(moves[0].kind) && moves[0].kind !== "failed" ? from : null;
  if (!moves.length && present && present.phase !== "loading") since = from;
  for (const move of moves) {
    const begin = move.at - move.seconds;
    const why = move.why ? ` (${move.why})` : "";
    const took = `${move.kind} in ${slot}, ${seconds(move.seconds)}${why}`;
    if (COMES.has(move.kind)) {
      spans.push({ from: begin, to: move.at, kind: "coming", title: took });
      since = move.at;
    } else if (move.kind === "failed") {
      spans.push({ from: begin, to: move.at, kind: "failed", title: took });
    } else if (since !== null) {
      spans.push({ from: since, to: move.at, kind: "there", title: `in ${slot}; ${took}` });
      since = null;
    }
  }
  if (since !== null && present)
    spans.push({ from: since, to: now, kind: "there", title: `in ${slot}` });
  return spans.filter((span) => span.to > from);
}

function movesIn(moves) {
  return moves
    .slice(-SHOWN)
    .reverse()
    .map((move) =>
      h(
        "li",
        {},
        h("time", {}, timeOfDay(move.at)),
        ` ${move.engine} ${move.kind} in ${move.slot}, ${seconds(move.seconds)}`,
        move.why && h("span", { class: "muted" }, ` (${move.why})`),
      ),
    );
}
