/** The list of conversations: open one, begin another, rename and delete. */

import { fill, h } from "../lib/dom.js";
import { shown } from "../lib/text.js";

/** `acts` has `open(id)`, `begin()` and `remove(id)`; `draw(current)` shows the list as it is. */
export class Sidebar {
  #conversations;
  #acts;
  #list = h("ul", { class: "conversations" });
  #current = null;

  constructor(conversations, acts) {
    this.#conversations = conversations;
    this.#acts = acts;
    const begin = h("button", { type: "button", onclick: () => acts.begin() }, "New conversation");
    const about = h("p", { class: "muted small" }, "Kept in this browser alone.");
    const wide = matchMedia("(min-width: 60rem)");
    this.node = h(
      "details",
      { class: "sidebar", open: wide.matches },
      h("summary", {}, "Conversations"),
      h("nav", { "aria-label": "Conversations" }, begin, this.#list, about),
    );
    // Where there is room, the list is always there, and nothing to open it.
    wide.addEventListener("change", () => (this.node.open ||= wide.matches));
  }

  draw(current) {
    this.#current = current;
    fill(this.#list, this.#conversations.all().map((one) => this.#item(one)));
  }

  #item({ id, title }) {
    const open = h(
      "button",
      {
        type: "button",
        class: "quiet conversation",
        "aria-current": id === this.#current ? "true" : null,
        onclick: () => this.#acts.open(id),
      },
      shown(title),
    );
    const item = h("li", {});
    const rename = () => this.#rename(item, id, title);
    const button = (words, label, onclick) =>
      h("button", { type: "button", class: "quiet tiny", "aria-label": label, onclick }, words);
    const remove = button("Delete", `Delete: ${title}`, () => {
      // Twice: there is no way back.
      if (remove.dataset.sure) return this.#remove(id);
      remove.dataset.sure = "yes";
      remove.textContent = "Really?";
      return undefined;
    });
    remove.addEventListener("blur", () => {
      delete remove.dataset.sure;
      remove.textContent = "Delete";
    });
    const acts = h("span", { class: "acts" }, button("Rename", `Rename: ${title}`, rename), remove);
    return fill(item, open, acts);
  }

  #rename(item, id, title) {
    const input = h("input", { "aria-label": "New title", value: title, maxlength: "60" });
    const done = () => {
      this.#conversations.rename(id, input.value);
      this.draw(this.#current);
    };
    const key = (event) => {
      if (event.key === "Enter") done();
      if (event.key === "Escape") this.draw(this.#current);
    };
    input.addEventListener("keydown", key);
    input.addEventListener("blur", done, { once: true });
    fill(item, input);
    input.focus();
    input.select();
  }

  #remove(id) {
    this.#acts.remove(id);
    this.draw(this.#current);
  }
}
