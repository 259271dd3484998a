/** Files of thousands of requests: upload one, see how far it is, and fetch the answers. */

import { fill, h } from "../lib/dom.js";
import { count } from "../lib/format.js";

const LOOK_MS = 1000;
const OVER = new Set(["completed", "failed", "expired", "cancelled"]);
const ENDPOINTS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"];

export async function render(root, { api, signal, say }) {
  const file = h("input", { type: "file", id: "file", accept: ".jsonl", required: true });
  const endpoint = h(
    "select",
    { id: "endpoint" },
    ENDPOINTS.map((path) => h("option", {}, path)),
  );
  const fault = h("p", { class: "fault", role: "alert" });
  const send = h("button", { type: "submit", class: "primary" }, "Start the batch");
  const list = h("div", { id: "batches" });
  const none = h("p", { class: "muted", hidden: true }, "There is none yet.");
  const cards = new Map();

  async function start(event) {
    event.preventDefault();
    fault.textContent = "";
    send.disabled = true;
    try {
      const form = new FormData();
      form.append("purpose", "batch");
      form.append("file", file.files[0]);
      const kept = await (
        await api.call("/v1/files", { method: "POST", body: form, signal })
      ).json();
      const body = { input_file_id: kept.id, endpoint: endpoint.value, completion_window: "24h" };
      const batch = await api.json("/v1/batches", { method: "POST", body, signal });
      say(`${file.files[0].name} is under way.`);
      event.target.reset();
      show(batch, true);
    } catch (error) {
      if (error.name !== "AbortError") fault.textContent = error.message;
    } finally {
      send.disabled = false;
    }
  }

  /** A card for each batch, which stays where it is while its numbers change. */
  function show(batch, first = false) {
    let card = cards.get(batch.id);
    if (!card) {
      card = h("article", { class: "card batch", "data-batch": batch.id });
      cards.set(batch.id, card);
      none.hidden = true;
      if (first) list.prepend(card);
      else list.append(card);
    }
    if (card.dataset.told === JSON.stringify(batch)) return;
    card.dataset.told = JSON.stringify(batch);
    fill(
      card,
      told(batch, api, signal, say, (next) => show(next)),
    );
  }

  async function look() {
    const { data } = await api.json("/v1/batches?limit=50", { signal });
    for (const batch of data) show(batch);
  }

  fill(
    root,
    h("h1", {}, "Batches"),
    h(
      "form",
      { class: "card", onsubmit: start },
      h(
        "p",
        { class: "muted" },
        "One request in each line: ",
        h(
          "code",
          {},
          '{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {…}}',
        ),
      ),
      h(
        "div",
        { class: "controls" },
        h("div", {}, h("label", { for: "file" }, "File of requests"), file),
        h("div", {}, h("label", { for: "endpoint" }, "Endpoint"), endpoint),
      ),
      fault,
      send,
    ),
    h("h2", {}, "Yours"),
    none,
    list,
  );
  await look();
  none.hidden = cards.size > 0;
  const timer = setInterval(
    () => refresh().catch((error) => error.name === "AbortError" || say(error.message)),
    LOOK_MS,
  );
  signal.addEventListener("abort", () => clearInterval(timer));
  let looking = false;

  /** Only what is under way is looked at again. */
  async function refresh() {
    const open = [...cards.values()].some(
      (card) => !OVER.has(JSON.parse(card.dataset.told).status),
    );
    if (looking || !open) return;
    looking = true;
    try {
      await look();
    } finally {
      looking = false;
    }
  }
}

function told(batch, api, signal, say, show) {
  const { total, completed, failed } = batch.request_counts;
  const done = completed + failed;
  const label = `${done} of ${count(total, "request")}`;
  const cancel = async () =>
    show(await api.json(`/v1/batches/${batch.id}/cancel`, { method: "POST", signal }));
  const fetchFile = (id, name) => () =>
    download(api, id, name, signal).catch((error) => say(error.message));
  const errors = (batch.errors?.data ?? [])
    .slice(0, 5)
    .map((one) => h("li", {}, one.line ? `line ${one.line}: ${one.message}` : one.message));
  return [
    h(
      "div",
      { class: "row spread" },
      h("h3", {}, batch.id),
      h("span", { class: batch.status === "completed" ? "badge on" : "badge" }, batch.status),
    ),
    h(
      "p",
      { class: "small muted" },
      `${batch.endpoint}, begun ${new Date(1000 * batch.created_at).toLocaleString()}`,
    ),
    total > 0 && h("progress", { max: total, value: done, "aria-label": label }),
    h("p", {}, label, failed > 0 && h("span", { class: "fault" }, `, ${failed} failed`)),
    errors.length > 0 && h("ul", { class: "fault problems" }, errors),
    h(
      "div",
      { class: "row" },
      batch.output_file_id &&
        h(
          "button",
          { type: "button", onclick: fetchFile(batch.output_file_id, `${batch.id}-answers.jsonl`) },
          "Answers",
        ),
      batch.error_file_id &&
        h(
          "button",
          { type: "button", onclick: fetchFile(batch.error_file_id, `${batch.id}-errors.jsonl`) },
          "Errors",
        ),
      !OVER.has(batch.status) &&
        h(
          "button",
          { type: "button", onclick: () => cancel().catch((error) => say(error.message)) },
          "Cancel",
        ),
    ),
  ];
}

/** Gives a file to the browser: a link could not carry the API key. */
async function download(api, id, name, signal) {
  const response = await api.call(`/v1/files/${id}/content`, { signal });
  const url = URL.createObjectURL(await response.blob());
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
