/** A playground for routing: type a question, and see who would be asked; nobody is. */

import { fill, folded, h, svg } from "../lib/dom.js";
import { meters } from "../lib/meter.js";
import { coloured } from "../lib/palette.js";

const DEBOUNCE_MS = 200;

export async function render(root, { api, signal }) {
  const models = (await api.json("/v1/models", { signal })).data;
  const compositions = models.filter((model) => model.metadata.type === "composition");
  const question = h("textarea", { id: "question", rows: 3, placeholder: "Type a question" });
  const model = h(
    "select",
    { id: "composition" },
    compositions.map(({ id }) => h("option", {}, id)),
  );
  const own = h("input", { type: "checkbox", id: "own", checked: true });
  const weight = h("input", {
    type: "range",
    id: "weight",
    min: 0.01,
    max: 1,
    step: 0.01,
    value: 1,
    disabled: true,
  });
  const told = h("output", { for: "weight", id: "weight-told" });
  const result = h("div", { class: "result", "aria-live": "polite" });
  let timer = 0;
  let asking = new AbortController();

  /** Ask once nothing has been typed for a moment; whatever is under way is of no use any more. */
  function soon() {
    clearTimeout(timer);
    asking.abort();
    weight.disabled = own.checked;
    told.textContent = own.checked
      ? "the composition's own"
      : `${Number(weight.value).toFixed(2)} quality, ${(1 - weight.value).toFixed(2)} price`;
    if (!question.value.trim()) return fill(result);
    result.classList.add("stale");
    timer = setTimeout(() => ask().catch(fault), DEBOUNCE_MS);
  }

  async function ask() {
    asking = new AbortController();
    const both = AbortSignal.any([signal, asking.signal]);
    const body = { model: model.value, question: question.value };
    if (!own.checked) body.quality_weight = Number(weight.value);
    const routed = await api.json("/coterie/route", { method: "POST", body, signal: both });
    if (both.aborted) return;
    if (own.checked) {
      weight.value = routed.quality_weight;
      told.textContent = `the composition's own: ${routed.quality_weight}`;
    }
    result.classList.remove("stale");
    fill(result, shown(routed));
  }

  function fault(error) {
    if (error.name === "AbortError") return;
    result.classList.remove("stale");
    fill(result, h("p", { class: "fault", role: "alert" }, error.message));
  }

  for (const field of [question, model, own, weight]) field.addEventListener("input", soon);
  signal.addEventListener("abort", () => clearTimeout(timer));
  fill(
    root,
    h("h1", {}, "Routing"),
    h(
      "p",
      { class: "muted" },
      "Who would answer? The router decides as you type; no expert is asked.",
    ),
    h(
      "div",
      { class: "controls" },
      h("div", { class: "wide" }, h("label", { for: "question" }, "Question"), question),
      h("div", {}, h("label", { for: "composition" }, "Composition"), model),
      h(
        "div",
        {},
        h("label", { for: "weight" }, "Weight of quality against price"),
        weight,
        h("div", { class: "row small" }, own, h("label", { for: "own" }, "as configured"), told),
      ),
    ),
    compositions.length === 0 &&
      h("p", { class: "fault" }, "This service has no compositions: there is nothing to route."),
    result,
  );
  soon();
  question.focus();
}

function shown(routed) {
  return [
    verdict(routed),
    h(
      "div",
      { class: "columns" },
      h(
        "section",
        { class: "card" },
        h("h2", {}, "Predicted quality"),
        scores(routed),
        weights(routed),
      ),
      h("section", { class: "card" }, h("h2", {}, "Nearest probe questions"), neighbours(routed)),
    ),
  ];
}

function verdict(routed) {
  const asked = counts(routed.experts).map((words) => h("strong", {}, words));
  const names = asked.flatMap((one, n) => (n ? [", ", one] : [one]));
  const then = routed.aggregator && ` and ${routed.aggregator} makes one answer of theirs`;
  const words =
    routed.message !== null
      ? ["Nobody is asked: “", routed.message, "”"]
      : [names, " would answer", then];
  return h(
    "div",
    {},
    h("p", { class: "verdict", "data-expert": routed.experts.join(" ") }, words, "."),
    routed.guard &&
      h("p", { class: "warn" }, `The coverage guard has raised an alarm: ${routed.guard}.`),
    h("p", { class: "muted" }, routed.reason),
  );
}

/** Each expert once, with how often it is asked. */
function counts(experts) {
  const found = new Map();
  for (const name of experts) found.set(name, (found.get(name) ?? 0) + 1);
  return [...found].map(([name, count]) => (count > 1 ? `${count} × ${name}` : name));
}

function scores(routed) {
  const rows = Object.entries(routed.scores).map(([name, score]) => {
    const price = routed.prices[name] ? ` · $${routed.prices[name].toFixed(2)}` : "";
    const left = routed.left_out[name] ? ` (${routed.left_out[name]})` : "";
    const strong = routed.experts.includes(name);
    return { name: name + left, share: score, number: score.toFixed(2) + price, strong };
  });
  return meters(rows);
}

/** What every weight of quality against price would choose, as one bar from price to quality. */
function weights(routed) {
  if (!routed.choices.length) return null;
  const width = (choice) => 100 * (choice.to_weight - choice.from_weight + 0.01);
  const boxes = routed.choices.map((choice) => {
    const place = { x: 100 * (choice.from_weight - 0.01), y: 0, width: width(choice), height: 10 };
    const words = `${choice.expert}: from ${choice.from_weight} to ${choice.to_weight}`;
    return coloured(svg("rect", place, svg("title", {}, words)), choice.expert);
  });
  const now = svg("line", {
    x1: 100 * routed.quality_weight - 0.5,
    x2: 100 * routed.quality_weight - 0.5,
    y1: 0,
    y2: 10,
  });
  const listed = routed.choices.map((choice) =>
    h(
      "li",
      {},
      coloured(h("span", { class: "dot", "aria-hidden": "true" }), choice.expert),
      h("strong", {}, choice.expert),
      h("span", { class: "muted small" }, ` ${choice.from_weight} to ${choice.to_weight}`),
    ),
  );
  return [
    h("h3", {}, "What another weight would choose"),
    svg(
      "svg",
      {
        viewBox: "0 0 100 10",
        preserveAspectRatio: "none",
        class: "weights",
        role: "img",
        "aria-label": routed.choices
          .map((one) => `${one.expert} from ${one.from_weight} to ${one.to_weight}`)
          .join("; "),
      },
      boxes,
      now,
    ),
    h(
      "div",
      { class: "row spread small muted", "aria-hidden": "true" },
      h("span", {}, "price alone"),
      h("span", {}, "quality alone"),
    ),
    h("ul", { class: "legend choices" }, listed),
  ];
}

function neighbours(routed) {
  const near = routed.evidence.neighbours ?? [];
  const rest = folded("All the evidence", h("pre", {}, JSON.stringify(routed.evidence, null, 2)));
  const told = h("p", { class: "muted small" }, `${routed.router} took ${routed.route_ms} ms.`);
  if (!near.length)
    return [h("p", { class: "muted" }, "This router goes by no questions."), told, rest];
  return [
    h(
      "ol",
      { class: "neighbours" },
      near.map((one) => {
        const right = Object.entries(one.scores)
          .filter(([, score]) => score >= 0.5)
          .map(([name]) => name);
        return h(
          "li",
          {},
          h("q", {}, one.query),
          h(
            "div",
            { class: "small muted" },
            `${one.task}, similarity ${one.similarity}; right: ${right.join(", ") || "nobody"}`,
          ),
        );
      }),
    ),
    told,
    rest,
  ];
}
