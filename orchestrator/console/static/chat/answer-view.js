/** One answer on the page: its text as it comes, what it waits for, and why it is as it is. */

import { fill, folded, fresh, h } from "../lib/dom.js";
import { duration } from "../lib/format.js";
import { markdown } from "../lib/markdown.js";
import { coloured } from "../lib/palette.js";
import { shown } from "../lib/text.js";
import { options } from "./models.js";
import { failure, whyView } from "./why.js";

/** Longer answers are shown up to here; the button that copies has all of them. */
const MOST_SHOWN = 200_000;
/** A text that grows is drawn again at most so often, and for a third of the time at most. */
const LEAST_PAUSE_MS = 40;
const LEFT = "not all of it: another tab waits for the rest, or the page was closed";
const STATES = { stopped: "stopped", left: LEFT };
const ENDS = { length: "ended at its limit of tokens", content_filter: "ended by a filter" };

/**
 * The view of an answer of `chat/exchange.js`. `acts` has what its buttons do: `stop()`,
 * `again(model)`, `say(words)`, and `remember(open)`, whether people want to know why;
 * `grown(node)` is called when something was added.
 */
export class AnswerView {
  #answer;
  #acts;
  #timer = null;
  #took = 0;
  #explained = null;
  #parts;

  constructor(answer, models, acts, whyOpen) {
    this.#answer = answer;
    this.#acts = acts;
    const why = fresh("why");
    const stops = `Stop ${answer.model}`;
    const parts = {
      name: h("h3", { class: "answer-name" }),
      facts: h("span", { class: "muted small" }),
      text: h("div", { class: "text" }),
      waiting: h("p", { class: "waiting muted" }),
      fault: h("p", { class: "fault", role: "alert" }),
      stop: h("button", { type: "button", class: "stop-one", onclick: () => acts.stop() }, stops),
      copy: h("button", { type: "button", class: "quiet", onclick: () => this.#copy() }, "Copy"),
      toggle: h(
        "button",
        { type: "button", class: "quiet", "aria-controls": why, onclick: () => this.#toggle() },
        "Why?",
      ),
      again: this.#again(models),
      why: h("div", { id: why, class: "why-panel", role: "group", "aria-label": "Why" }),
    };
    this.#parts = parts;
    /** Where a turn with several answers says which of them the conversation follows. */
    this.choice = h("span", { class: "choice" });
    const acting = [parts.stop, parts.toggle, parts.copy, parts.again];
    this.node = h(
      "article",
      { class: "answer card", "aria-label": `Answer of ${answer.model}` },
      h(
        "div",
        { class: "answer-main" },
        h("header", { class: "row" }, parts.name, parts.facts, this.choice),
        parts.text,
        parts.waiting,
        parts.fault,
        h("footer", { class: "row answer-acts" }, acting),
      ),
      parts.why,
    );
    this.openWhy(whyOpen);
    this.#draw();
  }

  /** The answer has changed: draw it soon. */
  changed() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#draw();
      this.#acts.grown(this.node.firstElementChild);
    }, Math.max(LEAST_PAUSE_MS, 2 * this.#took));
  }

  /** Shows the explanation, or hides it. */
  openWhy(open) {
    const { toggle, why } = this.#parts;
    toggle.setAttribute("aria-expanded", String(open));
    why.hidden = !open;
    this.node.classList.toggle("with-why", open);
    if (open) this.#explain();
  }

  #toggle() {
    const open = this.#parts.why.hidden;
    this.openWhy(open);
    this.#acts.remember(open);
  }

  #draw() {
    const began = performance.now();
    const { state, note, text, error, totalMs, finish } = this.#answer;
    const running = state === "running" || state === "waiting";
    const parts = this.#parts;
    fill(parts.name, this.#name());
    const ended = [STATES[state], ENDS[finish], totalMs && duration(totalMs)];
    parts.facts.textContent = running ? "" : ended.filter(Boolean).join(" · ");
    fill(parts.text, this.#thoughts(), this.#body());
    const waits = note || (text ? "" : "waiting for the first token");
    parts.waiting.textContent = running ? waits : "";
    parts.fault.textContent = error?.message ?? "";
    parts.stop.hidden = !running;
    for (const part of [parts.toggle, parts.copy, parts.again]) part.hidden = running;
    this.node.setAttribute("aria-busy", String(running));
    if (!parts.why.hidden) this.#explain();
    this.#took = performance.now() - began;
  }

  /** Whom the question was put to, and who answered. */
  #name() {
    const { model, told } = this.#answer;
    if (!told?.expert || told.expert === model) return model;
    const chip = coloured(h("span", { class: "chip expert" }, told.expert), told.expert);
    return [`${model} `, h("span", { class: "muted" }, "answered by "), chip];
  }

  /** Only what is news is drawn, so that what people have opened stays open. */
  #explain() {
    const { told, record, state, error } = this.#answer;
    const news = record ?? error ?? told ?? state;
    if (news === this.#explained) return;
    this.#explained = news;
    const nothing = state === "running" ? "The service has not told yet." : "Nothing is known.";
    const known = told || record;
    const less = error ? failure(this.#answer) : h("p", { class: "muted" }, nothing);
    fill(this.#parts.why, known ? whyView(this.#answer) : h("div", { class: "why" }, less));
  }

  #thoughts() {
    const { reasoning } = this.#answer;
    const text = h("p", { class: "whole muted", dir: "auto" }, shown(reasoning));
    return reasoning && folded("Reasoning", text);
  }

  #body() {
    const { text, cut } = this.#answer;
    const left = Math.max(0, text.length - MOST_SHOWN).toLocaleString("en");
    const more = left === "0" ? "" : `${left} more characters: Copy has all of them.`;
    const note = more || (cut ? "The rest was not kept." : "");
    return [markdown(text.slice(0, MOST_SHOWN)), note && h("p", { class: "muted" }, note)];
  }

  #again(models) {
    const id = fresh("again");
    const chosen = this.#answer.model;
    // The pool may have changed since the answer came.
    const onfocus = () => fill(select, options(models, select.value));
    const select = h("select", { id, class: "small", onfocus }, options(models, chosen));
    const ask = () => this.#acts.again(select.value);
    const button = h("button", { type: "button", class: "quiet", onclick: ask }, "Ask again");
    return h("span", { class: "row again" }, button, h("label", { for: id }, "with"), select);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#answer.text);
      this.#acts.say("Copied.");
    } catch {
      this.#acts.say("The browser does not let this page copy.");
    }
  }
}
