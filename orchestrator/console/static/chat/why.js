/** Why an answer is as it is: who was asked and why, how sure that was, and where the time went. */

import { folded, h } from "../lib/dom.js";
import { percent } from "../lib/format.js";
import { meters } from "../lib/meter.js";
import { cut, shown } from "../lib/text.js";
import { panelView } from "./panel.js";
import { callRows, timeline } from "./timeline.js";
import { tokenView } from "./tokens.js";

const SHOWN_SCORES = 5;
const MOST_QUESTION = 200;
const GUARD = {
  general: "asks the generalist, whoever scored best",
  second: "asks for a second opinion",
  abstain: "lets nobody answer",
};

/** The explanation of an answer of `chat/exchange.js`. */
export function whyView(answer) {
  const { told = {}, record } = answer;
  return h(
    "div",
    { class: "why" },
    answer.error && failure(answer),
    decision(told, record, answer.headers ?? {}),
    scores(told, record),
    told.evidence?.skills?.length > 0 && skills(told.evidence),
    told.evidence?.members && members(told.evidence),
    told.evidence?.neighbours?.length > 0 && nearest(told.evidence),
    panelView(told),
    answer.tokens.length > 0 && section("Token by token", tokenView(answer.tokens)),
    record && section("Time", timeline(record)),
    record?.calls.length > 1 && section("Calls", callRows(record.calls)),
    spent(answer),
    folded("As the service tells it", raw({ told, record, headers: answer.headers })),
  );
}

/** What is known of an answer that did not come, or not whole. */
export function failure({ error, model, id, headers }) {
  const facts = [
    ["Asked", model],
    error.status && ["Status", String(error.status)],
    error.code && ["Code", error.code],
    headers?.["x-coterie-slot"] && ["Slot", headers["x-coterie-slot"]],
    (id ?? error.id) && ["Request", id ?? error.id],
  ].filter(Boolean);
  const told = h("p", { class: "fault", dir: "auto" }, shown(error.message));
  return section("What failed", told, h("dl", { class: "facts" }, facts.map(fact)));
}

/** The plan, in the service's own sentence. */
function decision(told, record, headers) {
  const reason = told.reason ?? record?.reason;
  const router = told.router ?? headers["x-coterie-router"];
  const guard = record?.guard;
  const retried = record?.retried ?? [];
  const facts = [
    router && ["Router", router],
    told.panel && ["Panel", told.panel.join(", ")],
    told.aggregator && ["Put together by", told.aggregator],
    told.lead && told.panel && ["Lead", told.lead],
    guard && ["Guard", `the question is unlike all known ones: it ${GUARD[guard] ?? guard}`],
    told.fallback && told.fallback !== guard && ["Instead of the router's choice", told.fallback],
    (record?.cache ?? told.cache) && ["Kept answer", record?.cache ?? told.cache],
    retried.length > 0 && ["Asked again after", retried.join(" ")],
    told.slot && ["Slot", told.slot],
  ].filter(Boolean);
  return h(
    "section",
    {},
    h("h4", {}, "Plan"),
    h("p", { dir: "auto" }, shown(reason ?? "The model was named in the request.")),
    facts.length > 0 && h("dl", { class: "facts" }, facts.map(fact)),
  );
}

function fact([name, value]) {
  return [h("dt", {}, name), h("dd", {}, shown(value))];
}

/** What the router expected of each expert. */
function scores(told, record) {
  const found = Object.entries(told.scores ?? record?.scores ?? {});
  if (found.length === 0) return null;
  found.sort((one, other) => other[1] - one[1]);
  const asked = new Set(told.panel ?? [told.expert ?? record?.expert]);
  const rows = found.map(([name, score]) => ({
    name,
    share: score,
    number: score.toFixed(2),
    strong: asked.has(name),
  }));
  const rest = rows.slice(SHOWN_SCORES);
  return section(
    "Expected quality",
    meters(rows.slice(0, SHOWN_SCORES)),
    rest.length > 0 && folded(`${rest.length} more`, meters(rest)),
  );
}

/** What the question asks for, by which a panel was recruited. */
function skills({ skills: named }) {
  const badges = named.map((one) => h("span", { class: "badge" }, shown(one)));
  return section("Skills", h("p", { class: "row" }, badges));
}

/** Who speaks within a fused expert, and who is heard. */
function members({ members: shares, active }) {
  const rows = Object.entries(shares).sort((one, other) => other[1] - one[1]);
  const row = ([name, share]) => {
    return { name, share, number: percent(share), strong: active?.includes(name) };
  };
  return section("Members", meters(rows.slice(0, SHOWN_SCORES).map(row)));
}

/** The questions that the decision rests on, and who answered them right. */
function nearest({ neighbours }) {
  const row = ({ query, task, similarity, scores: known }) => {
    const right = Object.entries(known ?? {}).filter(([, score]) => score >= 0.5);
    const words = `right: ${right.map(([name]) => name).join(", ") || "nobody"}`;
    return h(
      "li",
      {},
      h("q", { dir: "auto" }, shown(cut(query, MOST_QUESTION))),
      h("div", { class: "muted small" }, [task, `${percent(similarity)} alike`, words].join(" · ")),
    );
  };
  return section("Nearest known questions", h("ul", { class: "near" }, neighbours.map(row)));
}

/** Tokens by expert. */
function spent({ told = {}, record, usage }) {
  const known = Object.entries(record?.usage ?? told.usage ?? {});
  if (known.length === 0 && !usage) return null;
  const rows = known.length > 0 ? known : [[told.expert ?? "", usage]];
  const line = ([name, used]) => {
    const words = `${used.prompt_tokens} read, ${used.completion_tokens} written`;
    const number = h("span", { class: "number" }, words);
    return h("li", {}, h("span", { class: "meter-name" }, name), number);
  };
  return section("Tokens", h("ul", { class: "meters two" }, rows.map(line)));
}

function raw(tree) {
  const frame = { tabindex: "0", role: "group", "aria-label": "As JSON", dir: "ltr" };
  return h("pre", frame, h("code", {}, shown(JSON.stringify(tree, null, 2))));
}

function section(title, ...children) {
  return h("section", {}, h("h4", {}, title), ...children);
}
