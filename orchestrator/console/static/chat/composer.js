/** Where a question is written: the text, whom it goes to, and how it is to be answered. */

import { fill, h } from "../lib/dom.js";
import { options, picker } from "./models.js";

const MOST_HEIGHT = 240;
const KEYS = "Enter sends, Shift+Enter is a new line, Esc stops";

/**
 * A form; `send(question, models, settings)` gets one model, or two side by side; `stop()` ends
 * the answers that come.
 */
export class Composer {
  #send;
  #models;
  #question;
  #first;
  #second;
  #temperature;
  #longest;
  #button;
  #stop;

  constructor(models, send, stop) {
    this.#send = send;
    this.#models = models;
    this.#question = h("textarea", {
      id: "question",
      rows: "1",
      required: true,
      placeholder: "Ask a question",
      "aria-describedby": "keys",
      oninput: () => this.#grow(),
      onkeydown: (event) => this.#key(event),
    });
    this.#first = picker("model", "Model", models, null);
    this.#second = picker("beside", "Side by side with", models, null, "nobody");
    this.#temperature = number("temperature", "Temperature", { min: 0, max: 2, step: 0.1 });
    this.#longest = number("longest", "Most tokens", { min: 1, step: 1 });
    this.#button = h("button", { type: "submit", class: "primary" }, "Send");
    this.#stop = h("button", { type: "button", hidden: true, onclick: stop }, "Stop");
    const form = { class: "composer card", onsubmit: (event) => this.#submit(event) };
    this.node = h(
      "form",
      form,
      h("label", { for: "question", class: "hidden-label" }, "Question"),
      h("div", { class: "ask" }, this.#question, this.#button, this.#stop),
      h(
        "div",
        { class: "row fields" },
        this.#first.field,
        this.#second.field,
        h(
          "details",
          { class: "more" },
          h("summary", {}, "Options"),
          h("div", { class: "row" }, this.#temperature.field, this.#longest.field),
        ),
        h("span", { class: "muted small keys", id: "keys" }, KEYS),
      ),
    );
  }

  /** Chooses models: those of a conversation. */
  choose([first, second]) {
    fill(this.#first.select, options(this.#models, first));
    fill(this.#second.select, options(this.#models, second, "nobody"));
  }

  get models() {
    return [this.#first.select.value, this.#second.select.value].filter(Boolean);
  }

  /** While answers come, they can be stopped, and no question can be sent. */
  set busy(busy) {
    if (!busy && document.activeElement === this.#stop) this.focus();
    this.#button.hidden = busy;
    this.#stop.hidden = !busy;
  }

  /** A question that is not sent yet. */
  get draft() {
    return this.#question.value;
  }

  set draft(text) {
    this.#question.value = text;
    this.#grow();
  }

  focus() {
    this.#question.focus();
  }

  #key(event) {
    // While a character is composed (Japanese, for one), Enter belongs to that.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.node.requestSubmit();
  }

  #submit(event) {
    event.preventDefault();
    const question = this.#question.value;
    if (this.#button.hidden || !question.trim()) return;
    this.draft = "";
    this.focus(); // The button that was pressed is hidden now.
    this.#send(question, this.models, this.#settings());
  }

  /** Fields of the request; what is left empty is left to the model. */
  #settings() {
    const settings = {};
    const [temperature, longest] = [this.#temperature.input.value, this.#longest.input.value];
    if (temperature !== "") settings.temperature = Number(temperature);
    if (longest !== "") settings.max_tokens = Number(longest);
    return settings;
  }

  #grow() {
    const { style } = this.#question;
    style.height = "auto";
    style.height = `${Math.min(MOST_HEIGHT, this.#question.scrollHeight + 2)}px`;
  }
}

function number(id, label, bounds) {
  const input = h("input", { id, type: "number", placeholder: "its own", ...bounds });
  const field = h("div", { class: "field narrow" }, h("label", { for: id }, label), input);
  return { input, field };
}
