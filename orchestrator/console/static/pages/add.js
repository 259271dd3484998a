/** Add an expert: a form makes the YAML, which is checked as one types, and applied. */

import { isAdmin } from "../lib/admin.js";
import { fill, fresh, h } from "../lib/dom.js";
import { untilThen, verdictOn } from "./add/verdict.js";
import { FIELDS, keysOf, TYPES, yamlOf } from "./add/yaml.js";

const DEBOUNCE_MS = 250;
const BY_HAND = "Edited by hand. A change in the form writes all of these lines anew.";
const WHOLE = "A whole number, 0 or more; with none, as many as the service asks by itself.";
const STAYS = " Its answers to the probe questions stay in the outcome table on the disk.";

export async function render(root, { api, signal, say }) {
  if (!(await isAdmin(api, signal))) {
    fill(
      root,
      h("h1", {}, "Add an expert"),
      h("p", { class: "muted" }, "Only administrators may change the pool."),
    );
    return;
  }
  const yaml = h("textarea", { id: "yaml", class: "yaml", rows: 10, spellcheck: "false" });
  const checked = h("div", { class: "checked", "aria-live": "polite" });
  const whole = { type: "number", min: 0, step: 1, value: 32 };
  const probes = h("input", { id: "probes", ...whole, "aria-describedby": "probes-fault" });
  const probesFault = h("p", { class: "fault small", role: "alert", id: "probes-fault" });
  const byHand = h("p", { class: "muted small", hidden: true }, BY_HAND);
  const add = h("button", { type: "submit", class: "primary", disabled: true }, "Add it");
  const result = h("div", { class: "result", "aria-live": "polite" });
  const fields = h("div");
  const type = h(
    "select",
    { id: "type" },
    Object.entries(TYPES).map(([id, { title }]) => h("option", { value: id }, title)),
  );
  let timer = 0;
  let right = null;
  let added = null;
  let asking = new AbortController();

  function form() {
    const inputs = FIELDS.filter((field) => TYPES[type.value].fields.includes(field.key)).map(
      (field) => input(field, write),
    );
    fill(fields, inputs);
    write();
  }

  /** The form says the YAML; whoever knows better writes on there. */
  function write() {
    const given = Object.fromEntries(
      [...fields.querySelectorAll("input")].map((one) => [one.name, one.value.trim()]),
    );
    byHand.hidden = true;
    yaml.value = yamlOf(given.name || "new", keysOf(type.value, given));
    soon();
  }

  function soon() {
    clearTimeout(timer);
    asking.abort();
    add.disabled = true;
    timer = setTimeout(() => check().catch(fault), DEBOUNCE_MS);
  }

  async function check() {
    asking = new AbortController();
    const both = AbortSignal.any([signal, asking.signal]);
    right = await api.json("/coterie/experts/check", {
      method: "POST",
      body: { yaml: yaml.value },
      signal: both,
    });
    if (both.aborted) return;
    add.disabled = !right.ok;
    // What is told of one expert says nothing of the next.
    if (right.ok && right.expert !== added) fill(result);
    fill(checked, right.ok ? fine(right) : mistakes(right));
  }

  async function apply(event) {
    event.preventDefault();
    if (!right?.ok) return;
    probesFault.textContent = probes.validity.valid ? "" : WHOLE;
    if (!probes.validity.valid) {
      probes.focus();
      return;
    }
    add.disabled = true;
    added = right.expert;
    const body = { ...right.keys, name: right.expert };
    if (probes.value !== "") body.probes = Number(probes.value);
    body.hold = true;
    fill(
      result,
      h("p", { class: "doing" }, `Loading ${right.expert}, and asking it probe questions …`),
    );
    try {
      const told = await api.json("/coterie/experts", { method: "POST", body, signal });
      fill(result, verdictOn(told), told.held && choose(told), takeBack(told.probed));
      say(`${told.expert} is in the pool.`);
      fill(checked); // There is an expert of that name now: the next change is checked again.
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(result, h("p", { class: "fault", role: "alert" }, error.message));
      soon();
    }
  }

  /** The routers have learned of it, and decide as before until somebody says so. */
  function choose(added) {
    const words = "Let the routers choose it";
    const button = h("button", { type: "button", class: "primary", onclick: apply }, words);
    const about = h("span", { class: "muted small" }, untilThen(added));
    const row = h("p", { class: "row" }, button, about);
    async function apply() {
      button.disabled = true;
      try {
        const path = `/coterie/experts/${encodeURIComponent(added.expert)}/routing`;
        const told = await api.json(path, { method: "POST", body: {}, signal });
        fill(
          row,
          h("span", { class: "good" }, "The routers choose it now."),
          told.warnings.map((one) => h("span", { class: "warn" }, one)),
        );
      } catch (error) {
        if (error.name === "AbortError") return;
        button.disabled = false;
        say(error.message);
      }
    }
    return row;
  }

  /** The file knows nothing of it: whoever reads that again is rid of it. */
  function takeBack(probed) {
    const words = "Take it back";
    const button = h("button", { type: "button", onclick: undo }, words);
    async function undo() {
      button.disabled = true;
      try {
        const told = await api.json("/coterie/reload", { method: "POST", body: {}, signal });
        fill(
          result,
          h(
            "ul",
            { class: "problems" },
            told.difference.map((line) => h("li", {}, line)),
          ),
        );
      } catch (error) {
        if (error.name === "AbortError") return;
        button.disabled = false;
        say(error.message);
      }
      soon();
    }
    const about =
      "The service reads its file again: all that was added or pinned by a call is gone.";
    const stays = probed?.asked > 0 && STAYS;
    return h("p", { class: "row" }, button, h("span", { class: "muted small" }, about, stays));
  }

  function fault(error) {
    if (error.name !== "AbortError")
      fill(checked, h("p", { class: "fault", role: "alert" }, error.message));
  }

  type.addEventListener("change", form);
  yaml.addEventListener("input", () => {
    byHand.hidden = false;
    soon();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  fill(
    root,
    h("h1", {}, "Add an expert"),
    h(
      "p",
      { class: "muted" },
      "It stays until the next reload or restart: write its lines into the file to keep it.",
    ),
    h(
      "form",
      { class: "columns", onsubmit: apply, novalidate: true },
      h(
        "div",
        { class: "card" },
        h("div", { class: "field" }, h("label", { for: "type" }, "Kind"), type),
        fields,
      ),
      h(
        "div",
        { class: "card" },
        h("label", { for: "yaml" }, "Its lines in the configuration's file"),
        yaml,
        byHand,
        checked,
        h(
          "div",
          { class: "field" },
          h(
            "label",
            { for: "probes" },
            "Probe questions that it is asked, so that the routers know it",
          ),
          probes,
          probesFault,
        ),
        add,
      ),
    ),
    result,
  );
  form();
}

function input(field, write) {
  const id = fresh("field");
  const attributes = {
    id,
    name: field.key,
    placeholder: field.example,
    autocomplete: "off",
    spellcheck: "false",
    oninput: write,
  };
  return h("div", { class: "field" }, h("label", { for: id }, field.title), h("input", attributes));
}

function fine(right) {
  return [
    h("p", { class: "good" }, "Right. It would change:"),
    h(
      "ul",
      { class: "problems small" },
      right.difference.map((line) => h("li", {}, line)),
    ),
  ];
}

function mistakes(right) {
  return h(
    "ul",
    { class: "problems fault" },
    right.problems.map((line) => h("li", {}, line)),
  );
}
