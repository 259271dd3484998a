/** Slots as cards: a bar of memory with what lies in it by size, and what the slot is doing. */

import { h } from "../../lib/dom.js";
import { gigabytes } from "../../lib/format.js";
import { hueOf, partsBar } from "../../lib/pictures.js";

export function slotCards(live) {
  const { slots, loads } = live.pool;
  if (!slots.length) return h("p", { class: "muted" }, "This service asks remote experts alone: it has no slots.");
  return slots.map((slot) => card(slot, loads, live));
}

function card(slot, loads, live) {
  const held = slot.replicas.map((replica) => ({ ...replica, size: loads[replica.engine]?.memory_gb ?? 0 }));
  const base = slot.budget_gb - slot.room_gb;
  const used = held.reduce((sum, one) => sum + one.size, base);
  const parts = [
    { size: base, hue: "hue-none", title: `the slot's process: ${gigabytes(base)}`, faint: true },
    ...held.map((one) => ({
      size: one.size,
      hue: hueOf(one.engine, live.experts()),
      title: `${one.engine}: ${gigabytes(one.size)}, ${one.phase}`,
      faint: one.phase !== "ready",
    })),
  ];
  const label = `${slot.id}: ${gigabytes(used)} of ${gigabytes(slot.budget_gb)} for ${held.map((one) => one.engine).join(", ") || "nothing"}`;
  return h(
    "article",
    { class: "card slot", "data-slot": slot.id },
    h("div", { class: "row spread" }, h("h3", {}, slot.id), state(slot)),
    partsBar(slot.budget_gb, parts, label),
    h("p", { class: "small muted" }, `${gigabytes(used)} of ${gigabytes(slot.budget_gb)} planned, ${gigabytes(slot.memory_gb)} measured`),
    slot.doing && h("p", { class: "doing" }, slot.doing),
    h("ul", { class: "legend" }, held.map((one) => entry(one, loads, live)), slot.asleep.map((name) => h("li", { class: "muted" }, `${name} (asleep)`))),
  );
}

function state(slot) {
  const words = slot.up ? "up" : "down";
  const node = slot.node ? ` on ${slot.node}` : "";
  const restarts = slot.restarts ? `, ${slot.restarts} restarts` : "";
  return h("span", { class: slot.up ? "badge on" : "badge fault" }, `${words}${node}${restarts}`);
}

function entry(one, loads, live) {
  const phase = one.phase === "ready" ? "" : ` ${one.phase}`;
  const using = one.in_use ? `, ${one.in_use} in use` : "";
  return h(
    "li",
    {},
    h("span", { class: `${hueOf(one.engine, live.experts())} dot`, "aria-hidden": "true" }),
    h("a", { href: `#/pool/${encodeURIComponent(one.engine)}` }, one.engine),
    loads[one.engine]?.pinned && h("span", { class: "badge on" }, "pinned"),
    h("span", { class: "muted small" }, ` ${gigabytes(one.size)}${phase}${using}`),
  );
}
