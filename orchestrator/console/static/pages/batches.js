/** Files of thousands of requests: upload one, see how far it is, and fetch the answers. */

import { fill, h } from "../lib/dom.js";
import { batchCard, OVER } from "./batches/card.js";

const LOOK_MS = 1000;
const MOST = 50;
/** Each batch has three files at most. */
const MOST_FILES = 1000;
/** What the service takes in a batch. */
const ENDPOINTS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"];

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
  let names = new Map();

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
      names.set(kept.id, kept.filename);
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
    const files = [batch.input_file_id, batch.output_file_id, batch.error_file_id];
    const told = JSON.stringify([batch, files.map((id) => names.get(id))]);
    if (card.dataset.told === told) return;
    card.dataset.told = told;
    card.dataset.status = batch.status;
    fill(card, batchCard(batch, names, actsOf(batch)));
  }

  function actsOf({ id }) {
    const fault = (error) => error.name === "AbortError" || say(error.message);
    const doing = (act) => act().catch(fault);
    const cancel = async () =>
      show(await api.json(`/v1/batches/${id}/cancel`, { method: "POST", signal }));
    const forget = async (files) => {
      const gone = (file) => api.call(`/v1/files/${file}`, { method: "DELETE", signal });
      await Promise.all(files.map(gone));
      await look();
    };
    return {
      cancel: () => doing(cancel),
      fetch: (file, name) => doing(() => download(api, file, name, signal)),
      forget: (files) => doing(() => forget(files)),
    };
  }

  async function look() {
    const [batches, files] = await Promise.all([
      api.json(`/v1/batches?limit=${MOST}`, { signal }),
      api.json(`/v1/files?limit=${MOST_FILES}`, { signal }),
    ]);
    names = new Map(files.data.map(({ id, filename }) => [id, filename]));
    for (const batch of batches.data) show(batch);
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
    const open = [...cards.values()].some((card) => !OVER.has(card.dataset.status));
    if (looking || !open) return;
    looking = true;
    try {
      await look();
    } finally {
      looking = false;
    }
  }
}

/** Gives a file to the browser: a link could not carry the API key. */
async function download(api, id, name, signal) {
  const response = await api.call(`/v1/files/${id}/content`, { signal });
  const url = URL.createObjectURL(await response.blob());
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
