/** One batch: how far it is, its answers and errors, and what can be done with it. */

import { h } from "../../lib/dom.js";
import { count } from "../../lib/format.js";

export const OVER = new Set(["completed", "failed", "expired", "cancelled"]);
const MOST_ERRORS = 5;

/**
 * The inside of a card. `names` has the files that the service keeps, with their names by id;
 * `acts` has `cancel()`, `fetch(id, name)` and `forget(ids)`.
 */
export function batchCard(batch, names, acts) {
  const { total, completed, failed } = batch.request_counts;
  const done = completed + failed;
  const label = `${done} of ${count(total, "request")}`;
  const name = names.get(batch.input_file_id);
  const begun = `begun ${new Date(1000 * batch.created_at).toLocaleString()}`;
  const about = [name && batch.id, batch.endpoint, begun].filter(Boolean).join(", ");
  const errors = (batch.errors?.data ?? [])
    .slice(0, MOST_ERRORS)
    .map((one) => h("li", {}, one.line ? `line ${one.line}: ${one.message}` : one.message));
  return [
    h("div", { class: "row spread" }, h("h3", {}, name ?? batch.id), stateOf(batch)),
    h("p", { class: "small muted" }, about),
    total > 0 && h("progress", { max: total, value: done, "aria-label": label }),
    h("p", {}, label, failed > 0 && h("span", { class: "fault" }, `, ${failed} failed`)),
    errors.length > 0 && h("ul", { class: "fault problems" }, errors),
    h("div", { class: "row" }, buttons(batch, names, acts)),
  ];
}

/** All lines were tried: it is ended, and no success where all of them have failed. */
function stateOf({ status, request_counts: { total, failed } }) {
  if (status === "completed" && failed > 0) {
    const words = failed === total ? "ended: none was answered" : `ended: ${failed} failed`;
    return h("span", { class: failed === total ? "badge fault" : "badge warn" }, words);
  }
  return h("span", { class: status === "completed" ? "badge on" : "badge" }, status);
}

function buttons(batch, names, acts) {
  const over = OVER.has(batch.status);
  const file = (id, words, kind) =>
    names.has(id) && button(words, () => acts.fetch(id, `${batch.id}-${kind}.jsonl`));
  const ids = [batch.input_file_id, batch.output_file_id, batch.error_file_id];
  const there = ids.filter((id) => names.has(id));
  return [
    file(batch.output_file_id, "Answers", "answers"),
    file(batch.error_file_id, "Errors", "errors"),
    !over && button("Cancel", acts.cancel),
    over && there.length > 0 && forget(there, acts),
    over && there.length === 0 && h("span", { class: "muted small" }, "Its files were deleted."),
  ];
}

/** Twice: there is no way back. */
function forget(ids, acts) {
  const words = "Delete its files";
  const node = button(words, () => {
    if (node.dataset.sure) return acts.forget(ids);
    node.dataset.sure = "yes";
    node.textContent = ids.length > 1 ? `Really delete all ${ids.length}?` : "Really?";
    return undefined;
  });
  node.addEventListener("blur", () => {
    delete node.dataset.sure;
    node.textContent = words;
  });
  return node;
}

function button(words, onclick) {
  return h("button", { type: "button", onclick }, words);
}
