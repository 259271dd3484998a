/** Where the time of a request went: one bar for all of it, and a row for each call of a panel. */

import { fill, h } from "../lib/dom.js";
import { duration } from "../lib/format.js";
import { coloured } from "../lib/palette.js";

/** The parts of a request, in the order in which they follow each other. */
function partsOf({ times, panel }) {
  if (panel) {
    // Its members wait and answer side by side: that is what the rows below show.
    const answering = Math.max(0, (times.total_ms ?? 0) - times.route_ms);
    return [
      { name: "routing", kind: "route", ms: times.route_ms },
      { name: "the panel", kind: "write", ms: answering },
    ];
  }
  const first = times.first_token_ms ?? times.total_ms ?? 0;
  const before = [
    { name: "routing", kind: "route", ms: times.route_ms },
    { name: "queue", kind: "queue", ms: times.queue_ms },
    { name: "loading", kind: "load", ms: times.load_ms },
  ].map((part) => ({ ...part, ms: Math.max(0, part.ms ?? 0) }));
  const known = before.reduce((sum, { ms }) => sum + ms, 0);
  return [
    ...before,
    { name: "first token", kind: "first", ms: Math.max(0, first - known) },
    { name: "writing", kind: "write", ms: Math.max(0, (times.total_ms ?? first) - first) },
  ];
}

/** A bar with its legend, of the record of a request. */
export function timeline(record) {
  const parts = partsOf(record).filter(({ ms }) => ms >= 0.05);
  const total = parts.reduce((sum, { ms }) => sum + ms, 0) || 1;
  const bar = h("div", { class: "timeline", "aria-hidden": "true" });
  const legend = h("ul", { class: "legend" });
  for (const { name, kind, ms } of parts) {
    const part = h("span", { class: `time-${kind}`, title: `${name}: ${duration(ms)}` });
    part.style.flexGrow = String(ms / total);
    bar.append(part);
    const swatch = h("span", { class: `swatch time-${kind}`, "aria-hidden": "true" });
    legend.append(h("li", {}, swatch, `${name} `, h("span", { class: "number" }, duration(ms))));
  }
  const all = h("span", { class: "muted" }, `${duration(record.times.total_ms)} in all`);
  return h("div", {}, bar, legend, all);
}

/** A row for each call, on one scale. */
export function callRows(calls) {
  const ends = calls.map((call) => call.ended_at_ms ?? call.first_at_ms ?? call.began_at_ms);
  const last = Math.max(1, ...ends);
  const share = (ms) => `${(100 * Math.max(0, ms)) / last}%`;
  const rows = calls.map((call, at) => {
    const sent = call.began_at_ms + call.queue_ms + call.load_ms;
    const waits = h("span", { class: "call-wait" });
    const works = coloured(h("span", { class: "call-work" }), call.expert);
    waits.style.width = share(Math.min(sent, ends[at]) - call.began_at_ms);
    works.style.width = share(ends[at] - Math.min(sent, ends[at]));
    const track = h("span", { class: "call-track", "aria-hidden": "true" }, waits, works);
    track.style.paddingInlineStart = share(call.began_at_ms);
    const took = duration(ends[at] - call.began_at_ms);
    const told = call.error ? `${call.error} after ${took}` : took;
    const name = h("span", { class: "meter-name" }, call.expert);
    const number = h("span", { class: call.error ? "number warn" : "number" }, told);
    return h("li", {}, name, track, number);
  });
  return fill(h("ol", { class: "meters calls" }), rows);
}
