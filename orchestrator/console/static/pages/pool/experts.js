/** Every expert in a table: where it is, who waits for it, and what it answers per second. */

import { h } from "../../lib/dom.js";
import { sparkline } from "../../lib/pictures.js";
import { rate, seconds } from "../../lib/units.js";

export function expertsTable(live) {
  const heads = [
    "Expert",
    "State",
    "Waiting",
    "Oldest",
    "Requests/s",
    "Tokens/s",
    "Loads",
    "Evicted",
  ];
  const numbers = new Set(["Waiting", "Oldest", "Loads", "Evicted"]);
  return h(
    "table",
    { class: "experts" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map((head) => h("th", { scope: "col", class: numbers.has(head) && "number" }, head)),
      ),
    ),
    h(
      "tbody",
      {},
      live.experts().map((name) => row(live, name)),
    ),
  );
}

function row(live, name) {
  const { loads, queued, breakers } = live.pool;
  const engine = Object.keys(loads).find((one) => loads[one].experts.includes(name));
  const own = engine === name ? loads[engine] : null;
  const waiting = queued[name];
  const oldest = own && waiting ? seconds(own.oldest_s) : "";
  return h(
    "tr",
    { "data-expert": name },
    h(
      "th",
      { scope: "row" },
      h("a", { href: `#/pool/${encodeURIComponent(name)}`, "data-key": name }, name),
    ),
    h(
      "td",
      {},
      stateOf(live, name, engine),
      breakers[name]?.state === "open" && h("span", { class: "badge fault" }, "not asked"),
    ),
    h("td", { class: "number" }, waiting),
    h("td", { class: "number" }, oldest),
    h("td", {}, spark(live, "requests", name)),
    h("td", {}, spark(live, "tokens", name)),
    h("td", { class: "number" }, own ? own.count : ""),
    h("td", { class: "number" }, own ? own.evictions : ""),
  );
}

function spark(live, kind, name) {
  const now = rate(live.rate(kind, name));
  const label = `${name}: ${now} ${kind} per second now`;
  return h(
    "span",
    { class: "row sparked" },
    sparkline(live.history(kind, name), label, 1),
    h("span", { class: "number small" }, now),
  );
}

/** Where it is, in a few words. */
function stateOf(live, name, engine) {
  if (engine === undefined) return h("span", { class: "badge" }, "remote");
  const entry = live.pool.loads[engine];
  const why = entry.failed ?? entry.refused[name];
  if (why) return h("span", { class: "badge fault", title: why }, "failed");
  const places = live.pool.slots.flatMap((slot) =>
    slot.replicas.filter((one) => one.engine === engine).map((one) => `${one.phase} in ${slot.id}`),
  );
  const asleep = live.pool.slots
    .filter((slot) => slot.asleep.includes(engine))
    .map((slot) => `asleep in ${slot.id}`);
  const words = [...places, ...asleep].join(", ") || "not resident";
  const shared = engine === name ? "" : ` with ${engine}`;
  return h("span", { class: places.length ? "badge on" : "badge" }, words + shared);
}
