/** Slots as cards: a bar of memory with what lies in it by size, and what the slot is doing. */

import { h } from "../../lib/dom.js";
import { coloured } from "../../lib/palette.js";
import { partsBar } from "../../lib/pictures.js";
import { gigabytes } from "../../lib/units.js";

export function slotCards(live) {
  const { slots, loads } = live.pool;
  if (!slots.length)
    return h("p", { class: "muted" }, "This service asks remote experts alone: it has no slots.");
  return slots.map((slot) => card(slot, loads));
}

function card(slot, loads) {
  const held = slot.replicas.map((replica) => ({
    ...replica,
    size: loads[replica.engine]?.memory_gb ?? 0,
  }));
  const base = slot.budget_gb - slot.room_gb;
  const used = held.reduce((sum, one) => sum + one.size, base);
  const parts = [
    { size: base, expert: null, title: `the slot's process: ${gigabytes(base)}`, faint: true },
    ...held.map((one) => ({
      size: one.size,
      expert: one.engine,
      title: `${one.engine}: ${gigabytes(one.size)}, ${one.phase}`,
      faint: one.phase !== "ready",
    })),
  ];
  const planned = `${gigabytes(used)} of ${gigabytes(slot.budget_gb)}`;
  const names = held.map((one) => one.engine).join(", ") || "nothing";
  const label = `${slot.id}: ${planned} for ${names}`;
  return h(
    "article",
    { class: "card slot", "data-slot": slot.id },
    h("div", { class: "row spread" }, h("h3", {}, slot.id), state(slot)),
    partsBar(slot.budget_gb, parts, label),
    h("p", { class: "small muted" }, `${planned} planned, ${gigabytes(slot.memory_gb)} measured`),
    slot.doing && h("p", { class: "doing" }, slot.doing),
    h(
      "ul",
      { class: "legend" },
      held.map((one) => entry(one, loads)),
      slot.asleep.map((name) => h("li", { class: "muted" }, `${name} (asleep)`)),
    ),
  );
}

function state(slot) {
  const words = slot.up ? "up" : "down";
  const node = slot.node ? ` on ${slot.node}` : "";
  const restarts = slot.restarts ? `, ${slot.restarts} restarts` : "";
  return h("span", { class: slot.up ? "badge on" : "badge fault" }, `${words}${node}${restarts}`);
}

function entry(one, loads) {
  const phase = one.phase === "ready" ? "" : ` ${one.phase}`;
  const using = one.in_use ? `, ${one.in_use} in use` : "";
  return h(
    "li",
    {},
    coloured(h("span", { class: "dot", "aria-hidden": "true" }), one.engine),
    link(one.engine),
    loads[one.engine]?.pinned && h("span", { class: "badge on" }, "pinned"),
    h("span", { class: "muted small" }, ` ${gigabytes(one.size)}${phase}${using}`),
  );
}

function link(name) {
  const href = `#/pool/${encodeURIComponent(name)}`;
  return h("a", { href, "data-key": `slot ${name}` }, name);
}
