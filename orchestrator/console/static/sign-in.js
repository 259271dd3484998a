/** Asks for an API key, and tries it before it is taken. */

import { h } from "./lib/dom.js";
import { forget, keep } from "./lib/session.js";

/** What can be in a header; a browser sends no other key. */
const SENT = /^[\x21-\x7e]+$/;

/** A form: its `node`, `fault(words)` and `focus()`; `done` is called once a key works. */
export function signIn(api, done) {
  const fault = h("p", { class: "fault", role: "alert", id: "key-fault" });
  const input = h("input", {
    type: "password",
    id: "key",
    name: "key",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "key-fault key-about",
  });

  async function submit(event) {
    event.preventDefault();
    const key = input.value.trim();
    fault.textContent = mistakeIn(key);
    if (fault.textContent) return input.focus();
    keep(key);
    try {
      await api.json("/v1/models");
    } catch (error) {
      forget();
      // Of a 401 the shell has told by now.
      if (error.status !== 401) fault.textContent = error.message;
      return;
    }
    done();
  }

  const about = "It stays in this tab, and is gone when the tab is closed.";
  const node = h(
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
  return { node, fault: (words) => (fault.textContent = words), focus: () => input.focus() };
}

function mistakeIn(key) {
  if (!key) return "Enter a key: who runs this service gives them out.";
  if (SENT.test(key)) return "";
  return "A key is one word of Latin letters, digits and signs: this one has other characters.";
}
