/** What the routers think of an expert that has been added. */

import { h } from "../../lib/dom.js";
import { count, percent } from "../../lib/format.js";

export function verdictOn(added) {
  return h(
    "div",
    { class: "card", id: "added" },
    h("h2", {}, `${added.expert} is in the pool`),
    h(
      "p",
      {},
      added.resident ? "It answers without a load." : "It is loaded when it is asked.",
      ` It stays until ${added.until}.`,
    ),
    added.probed && probed(added.probed, added.held),
    h("h3", {}, "What the compositions think of it"),
    h(
      "ul",
      {},
      added.compositions.map((one) =>
        h(
          "li",
          {},
          h("strong", {}, one.composition),
          one.considered ? ": " : h("span", { class: "muted" }, " (not considered): "),
          one.why,
        ),
      ),
    ),
    added.warnings.map((words) => h("p", { class: "warn" }, words)),
    h("p", {}, h("a", { href: `#/pool/${encodeURIComponent(added.expert)}` }, "Its page")),
  );
}

/** Whom it is asked by while the routers decide as before: by chance, for one, or by all. */
export function untilThen({ compositions }) {
  const asking = compositions.filter((one) => one.considered).map((one) => one.composition);
  if (asking.length === 0) return "Until then it is asked by its name only.";
  return `Until then it is asked by its name, and by ${asking.join(", ")}.`;
}

function probed(told, held) {
  if (told.why) return h("p", { class: "warn" }, told.why);
  return [
    h(
      "p",
      {},
      `It was asked ${count(told.asked, "probe question")}; ${told.failed} failed. `,
      `It scores ${percent(told.mean_score)}.`,
    ),
    h(
      "div",
      { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Scores by task" },
      h(
        "table",
        { class: "narrow" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Task"),
            h("th", { scope: "col", class: "number" }, "Asked"),
            h("th", { scope: "col", class: "number" }, "Mean score"),
          ),
        ),
        h(
          "tbody",
          {},
          told.tasks.map((task) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, task.task),
              h("td", { class: "number" }, task.asked),
              h("td", { class: "number" }, percent(task.mean_score)),
            ),
          ),
        ),
      ),
    ),
    told.shifts.map((one) => shift(one, held)),
  ];
}

/** Who would be asked the questions that the router has learned from, before and after. */
function shift(one, held) {
  const names = [...new Set([...Object.keys(one.before), ...Object.keys(one.after)])];
  names.sort((a, b) => (one.after[b] ?? 0) - (one.after[a] ?? 0));
  return h(
    "div",
    { class: "scroll-x", tabindex: 0, role: "region", "aria-label": `Routing by ${one.router}` },
    h(
      "h3",
      {},
      `${one.router}: predicted accuracy ${percent(one.predicted_before)} → `,
      percent(one.predicted_after),
    ),
    one.why && h("p", { class: "muted" }, one.why),
    h(
      "table",
      { class: "narrow" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Asked", held ? "now" : "before", held ? "then" : "after"].map((words, n) =>
            h("th", { scope: "col", class: n > 0 && "number" }, words),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        names.map((name) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, name),
            h("td", { class: "number" }, percent(one.before[name] ?? 0)),
            h("td", { class: "number" }, percent(one.after[name] ?? 0)),
          ),
        ),
      ),
    ),
  );
}
