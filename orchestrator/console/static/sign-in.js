/** Asks for an API key, and tries it before it is taken. */

import { h } from "./lib/dom.js";
import { forget, keep } from "./lib/session.js";

/** A form; `done` is called once a key works. */
export function signIn(api, wrong, done) {
  const fault = h("p", { class: "fault", role: "alert", id: "key-fault" });
  const input = h("input", {
    type: "password",
    id: "key",
    name: "key",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "key-fault key-about",
  });
  if (wrong) fault.textContent = "This key is not known, or not any more.";

  async function submit(event) {
    event.preventDefault();
    keep(input.value.trim());
    try {
      await api.json("/v1/models");
    } catch (error) {
      forget();
      // A 401 has shown a form of its own by now.
      fault.textContent = error.message;
      return;
    }
    done();
  }

  const about = "It stays in this tab, and is gone when the tab is closed.";
  return h(
    "form",
    { class: "sign-in card", onsubmit: submit },
    h("h1", {}, "Sign in"),
    h("p", {}, "This service asks for an API key."),
    h("label", { for: "key" }, "API key"),
    input,
    fault,
    h("button", { type: "submit", class: "primary" }, "Sign in"),
    h("p", { class: "muted", id: "key-about" }, about),
  );
}
