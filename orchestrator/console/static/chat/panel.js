/** How a panel came to its answer: who said what, in which round, and how it was counted. */

import { folded, h } from "../lib/dom.js";
import { capital, percent } from "../lib/format.js";
import { meter } from "../lib/meter.js";
import { coloured } from "../lib/palette.js";
import { cut, shown } from "../lib/text.js";

const [MOST_LABEL, SHORT] = [80, 140];
const ALIKE = {
  read: "Answers that say the same count together.",
  meaning: "Answers that mean the same count together.",
  none: "The answers could not be compared.",
};
/** Words on how far it is while answers come in, which begin no new stage. */
const COUNTING = /^\d+ of \d+ /;

/** The parts of an explanation that only a panel has; empty for one expert. */
export function panelView(told) {
  const facts = told.aggregation ?? {};
  return [
    facts.votes && votes(facts, told.grouping),
    facts.ranking && ranking(facts.ranking),
    facts.cascade && cascade(facts.cascade),
    facts.sides && judged(facts),
    (told.said?.length ?? 0) > 0 && said(told.said),
    (facts.failed?.length ?? 0) > 0 && failures(facts.failed),
  ];
}

/** Label -> weight, the heaviest first. */
function votes({ votes: weights }, grouping) {
  const rows = Object.entries(weights).sort((one, other) => other[1] - one[1]);
  const total = rows.reduce((sum, [, weight]) => sum + weight, 0) || 1;
  const how = ALIKE[grouping] ?? "";
  return section(
    "Votes",
    h(
      "ul",
      { class: "meters" },
      rows.map(([label, weight], at) =>
        h(
          "li",
          { class: at === 0 ? "strong" : null },
          h("span", { class: "meter-name", dir: "auto" }, shown(cut(label, MOST_LABEL))),
          meter(weight / total),
          h("span", { class: "number" }, String(weight)),
        ),
      ),
    ),
    how && h("p", { class: "muted small" }, how),
  );
}

function ranking(rows) {
  const most = Math.max(...rows.map(({ worth }) => worth ?? 0), 1e-9);
  const row = ({ expert, worth }) =>
    h(
      "li",
      {},
      h("span", { class: "meter-name" }, expert),
      meter((worth ?? 0) / most, expert),
      h("span", { class: "number" }, String(worth ?? "–")),
    );
  return section("Ranking", h("ol", { class: "meters" }, rows.map(row)));
}

function cascade(steps) {
  const row = ({ expert, confidence, taken }) =>
    h(
      "li",
      { class: taken ? "strong" : null },
      h("span", { class: "meter-name" }, expert),
      meter(confidence, expert),
      h("span", { class: "number" }, `${percent(confidence)} sure`),
    );
  const title = "One after the other, until one is sure";
  return section(title, h("ol", { class: "meters" }, steps.map(row)));
}

function judged({ sides, judge, probability }) {
  const [first, second] = [percent(probability), percent(1 - probability)];
  const words = `By ${judge}: ${first} for the side of ${sides[0]}, ${second} for ${sides[1]}.`;
  return section("Judged", h("p", {}, words));
}

function failures(reasons) {
  return section("Who did not answer", h("ul", {}, reasons.map((one) => h("li", {}, shown(one)))));
}

/** Every answer that was heard, in rounds. */
function said(answers) {
  const stages = [];
  for (const one of answers) {
    const known = stages.at(-1);
    if (known && (known.name === one.stage || COUNTING.test(one.stage))) known.answers.push(one);
    else stages.push({ name: one.stage, answers: [one] });
  }
  return section(
    "Who said what",
    stages.map(({ name, answers: heard }) => {
      const statements = h("ul", { class: "said" }, together(heard).map(statement));
      return h("div", {}, h("h5", {}, capital(name)), statements);
    }),
  );
}

/** What one expert has said several times stands there once. */
function together(answers) {
  const found = new Map();
  for (const one of answers) {
    const key = JSON.stringify([one.expert, one.text.trim(), one.error]);
    found.set(key, { ...one, times: (found.get(key)?.times ?? 0) + 1 });
  }
  return [...found.values()];
}

function statement({ expert, text, cut: isCut, error, times }) {
  const name = coloured(h("span", { class: "chip expert" }, expert), expert);
  const failed = error && h("span", { class: "fault" }, ` ${error}`);
  const whole = text.trim();
  const short = whole.length <= SHORT && !whole.includes("\n");
  const all = h(short ? "span" : "p", { class: "whole", dir: "auto" }, shown(whole));
  const rest = isCut && h("span", { class: "muted" }, " (cut)");
  const body = short ? all : folded(shown(cut(whole.split("\n")[0], SHORT)), all);
  const often = times > 1 && h("span", { class: "muted" }, ` ${times} times`);
  return h("li", {}, name, often, failed, " ", body, rest);
}

function section(title, ...children) {
  return h("section", {}, h("h4", {}, title), ...children);
}
