/** One expert: what routers have learned of it, its price, how fast it is; load and pin. */

import { isAdmin } from "../../lib/admin.js";
import { fill, h } from "../../lib/dom.js";
import { count, duration, percent } from "../../lib/format.js";

export async function renderExpert(root, { api, signal, say }, name) {
  const path = `/coterie/pool/experts/${encodeURIComponent(name)}`;
  const [told, admin] = await Promise.all([api.json(path, { signal }), isAdmin(api, signal)]);
  const redraw = async (words) => {
    say(words);
    await renderExpert(root, { api, signal, say }, name);
  };
  fill(
    root,
    h("p", {}, h("a", { href: "#/pool" }, "← Pool")),
    h("h1", {}, told.expert),
    told.about && h("p", {}, told.about),
    told.failed && h("p", { class: "fault" }, `Its last load failed: ${told.failed}`),
    facts(told),
    admin && told.engine !== null && controls(api, told, redraw, say),
    learnedOf(told),
    latencyOf(told.latency),
  );
}

function facts(told) {
  const price = told.price_usd_per_mtok
    ? `$${told.price_usd_per_mtok} for a million tokens`
    : "no price";
  const engine =
    told.engine === null
      ? "on another server"
      : told.engine === told.expert
        ? "an engine of its own"
        : `shares the engine of ${told.engine}`;
  const context =
    told.context_length && `${told.context_length.toLocaleString()} tokens of context`;
  return h(
    "p",
    { class: "row" },
    [told.type, price, engine, context, told.pinned && "pinned"]
      .filter(Boolean)
      .map((words) => h("span", { class: words === "pinned" ? "badge on" : "badge" }, words)),
  );
}

/** What changes the service: each button waits until it has happened, and says so. */
function controls(api, told, redraw, say) {
  const path = `/coterie/experts/${encodeURIComponent(told.expert)}`;
  const fault = h("p", { class: "fault", role: "alert" });
  const button = (words, act) => {
    const node = h("button", { type: "button", onclick: run }, words);
    async function run() {
      fault.textContent = "";
      node.disabled = true;
      say(`${words}: ${told.expert} …`);
      try {
        await redraw(await act());
      } catch (error) {
        fault.textContent = error.message;
      } finally {
        node.disabled = false;
      }
    }
    return node;
  };
  const load = async () => {
    const done = await api.json(`${path}/load`, { method: "POST" });
    return done.load_ms
      ? `${told.expert} was loaded in ${duration(done.load_ms)}.`
      : `${told.expert} is there.`;
  };
  const pin = async () => {
    await api.json(`${path}/pin`, { method: told.pinned ? "DELETE" : "POST" });
    return told.pinned
      ? `${told.expert} may leave its slot.`
      : `${told.expert} stays until the next reload of the file.`;
  };
  const hasPin = told.engine === told.expert;
  return h(
    "div",
    { class: "card" },
    h(
      "div",
      { class: "row" },
      button("Load", load),
      hasPin && !told.fixed && button(told.pinned ? "Unpin" : "Pin", pin),
    ),
    hasPin && told.fixed && h("p", { class: "muted small" }, `No pins here: ${told.fixed}`),
    fault,
  );
}

function learnedOf(told) {
  const head = h("h2", {}, "Accuracy by task");
  if (!told.learned.length) {
    return h(
      "section",
      {},
      head,
      h(
        "p",
        { class: "muted" },
        "No router has learned anything of it: it has answered none of their probe questions.",
      ),
    );
  }
  return h("section", {}, head, told.learned.map(record));
}

function record(one) {
  const cells = (task) => [
    h("th", { scope: "row" }, task.task),
    h("td", { class: "number" }, task.asked),
    h("td", { class: "number" }, percent(task.mean_score)),
    h(
      "td",
      {},
      h("progress", {
        max: 1,
        value: task.mean_score,
        "aria-label": `${task.task}: ${percent(task.mean_score)}`,
      }),
    ),
    h(
      "td",
      { class: "muted" },
      task.best_score === 0
        ? "nobody"
        : task.best_score > task.mean_score
          ? `${task.best} ${percent(task.best_score)}`
          : "the best",
    ),
  ];
  return h(
    "div",
    { class: "card scroll-x", tabindex: 0, role: "region", "aria-label": "Accuracy by task" },
    h(
      "p",
      {},
      `${percent(one.mean_score)} of ${count(one.asked, "probe question")}; `,
      `learned by ${one.routers.join(", ")}.`,
    ),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Task", "Asked", "Mean score", "", "Best expert there"].map((words, n) =>
            h("th", { scope: "col", class: [1, 2].includes(n) && "number" }, words),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        one.tasks.map((task) => h("tr", {}, cells(task))),
      ),
    ),
  );
}

function latencyOf(latency) {
  const head = h("h2", {}, "Latency of the last calls");
  if (!latency.calls)
    return h("section", {}, head, h("p", { class: "muted" }, "Nobody has asked it lately."));
  const row = (words, ms) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, words),
      h("td", { class: "number" }, duration(ms.p50)),
      h("td", { class: "number" }, duration(ms.p95)),
    );
  return h(
    "section",
    {},
    head,
    h("p", { class: "muted" }, `${count(latency.calls, "call")}, ${latency.failed} failed.`),
    h(
      "table",
      { class: "narrow" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["", "p50", "p95"].map((words) => h("th", { scope: "col", class: "number" }, words)),
        ),
      ),
      h(
        "tbody",
        {},
        row("To the first token", latency.first_ms),
        row("To the end", latency.total_ms),
      ),
    ),
  );
}
