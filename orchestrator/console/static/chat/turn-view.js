/** A question on the page, with its answers below it. */

import { fill, folded, fresh, h } from "../lib/dom.js";
import { cut, shown } from "../lib/text.js";
import { AnswerView } from "./answer-view.js";

const WHY = "coterie.why";
/** Longer questions are folded: the answer is what people look for. */
const MOST_QUESTION = 1200;

/**
 * `acts` has `say(words)`, `stop(answer)`, `again(model)`, `watch(answer, changed)`,
 * `grown(node)`, and `chosen()`, after the choice between several answers.
 */
export class TurnView {
  #turn;
  #models;
  #acts;
  #answers = h("div", { class: "answers" });
  #views = [];
  #group = fresh("follow");

  constructor(turn, models, acts) {
    this.#turn = turn;
    this.#models = models;
    this.#acts = acts;
    this.node = h("section", { class: "turn" }, questionOf(turn), this.#answers);
    for (const answer of turn.answers) this.show(answer);
  }

  /** Puts an answer beside the others. */
  show(answer) {
    const { say, again, grown } = this.#acts;
    const stop = () => this.#acts.stop(answer);
    const remember = (open) => localStorage.setItem(WHY, String(open));
    const acts = { stop, again, say, remember, grown };
    const view = new AnswerView(answer, this.#models, acts, whyIsOpen());
    this.#acts.watch(answer, () => view.changed());
    this.#views.push(view);
    this.#answers.append(view.node);
    this.#answers.classList.toggle("several", this.#views.length > 1);
    this.#drawChoices();
  }

  /** Of several answers, one is what the next question follows on. */
  #drawChoices() {
    if (this.#views.length < 2) return;
    this.#views.forEach((view, at) => {
      const choose = () => {
        this.#turn.chosen = at;
        this.#acts.chosen();
      };
      const checked = this.#turn.chosen === at;
      const radio = { type: "radio", name: this.#group, checked, onchange: choose };
      fill(view.choice, h("label", { class: "small" }, h("input", radio), " go on from this one"));
    });
  }
}

function questionOf({ question }) {
  const heading = { class: "question", dir: "auto" };
  if (question.length <= MOST_QUESTION) return h("h2", heading, shown(question));
  const all = h("p", { class: "whole", dir: "auto" }, shown(question));
  const summary = `All ${question.length.toLocaleString("en")} characters`;
  return [
    h("h2", heading, shown(cut(question, MOST_QUESTION))),
    h("div", { class: "question-rest small" }, folded(summary, all)),
  ];
}

/** Whether explanations are open: as people left them, else where there is room for them. */
function whyIsOpen() {
  const left = localStorage.getItem(WHY);
  return left === null ? matchMedia("(min-width: 60rem)").matches : left === "true";
}
