/** A conversation on the page, with the list of all of them and the field for the next question. */

import { fill, fresh, h } from "../lib/dom.js";
import { shown } from "../lib/text.js";
import { AnswerView } from "./answer-view.js";
import { Composer } from "./composer.js";
import { Conversations, messagesOf } from "./conversations.js";
import { exchange, keptAnswer, newAnswer } from "./exchange.js";
import { Sidebar } from "./sidebar.js";
import { welcome } from "./welcome.js";

const WHY = "coterie.why";
const SAID = {
  done: "the answer is complete.",
  stopped: "the answer was stopped.",
  failed: "there is no whole answer.",
};

export class Chat {
  #models;
  #shell;
  #conversations = new Conversations();
  #conversation;
  #running = new Set();
  #thread = h("div", { class: "thread" });
  /** Tells those who do not see the page that an answer has ended. */
  #heard = h("p", { class: "hidden-label", role: "status" });
  #sidebar;
  #composer;

  constructor(models, shell) {
    this.#models = models;
    this.#shell = shell;
    this.#sidebar = new Sidebar(this.#conversations, {
      open: (id) => shell.go(`chat/${id}`),
      begin: () => this.#begin(),
      removed: (id) => this.#removed(id),
    });
    this.#composer = new Composer(models, (...asked) => this.#ask(...asked));
    this.node = h(
      "div",
      { class: "chat" },
      this.#sidebar.node,
      h(
        "div",
        { class: "talk" },
        h("h1", { class: "hidden-label" }, "Chat"),
        this.#thread,
        this.#heard,
        this.#composer.node,
      ),
    );
    const { signal } = shell;
    const key = (event) => event.key === "Escape" && this.#stop();
    document.addEventListener("keydown", key, { signal });
    signal.addEventListener("abort", () => this.#stop());
    const leave = () => this.#running.size > 0 && this.#keep(this.#conversation);
    addEventListener("pagehide", leave, { signal });
  }

  /** Shows a conversation; a new one where there is none of that id. */
  open(id) {
    const usual = [this.#models[0]?.id ?? ""];
    this.#conversation = (id && this.#conversations.find(id)) || this.#conversations.begin(usual);
    this.#composer.choose(this.#conversation.models);
    this.#drawThread();
    this.#sidebar.draw(this.#conversation.id);
    this.#composer.focus();
  }

  #begin() {
    if (this.#conversation.turns.length > 0) this.#shell.go("chat");
    else this.#composer.focus();
  }

  #removed(id) {
    if (id !== this.#conversation.id) return;
    this.#conversation.removed = true;
    this.#begin();
  }

  #drawThread() {
    const { turns } = this.#conversation;
    const choose = (model) => {
      this.#composer.choose([model]);
      this.#composer.focus();
    };
    fill(this.#thread, turns.map((turn) => this.#place(turn).node));
    if (turns.length === 0) this.#thread.append(welcome(this.#models, choose));
  }

  /** A turn with what it has on the page only. */
  #place(turn) {
    const answers = h("div", { class: "answers" });
    const question = h("h2", { class: "question", dir: "auto" }, shown(turn.question));
    const node = h("section", { class: "turn" }, question, answers);
    const place = { turn, node, answers, views: [], group: fresh("follow") };
    for (const answer of turn.answers) this.#show(place, answer);
    return place;
  }

  /** Puts an answer into its turn. */
  #show(place, answer, stop = () => {}) {
    const { say } = this.#shell;
    const again = (model) => this.#more(place, model);
    const remember = (open) => localStorage.setItem(WHY, String(open));
    const view = new AnswerView(answer, this.#models, { stop, again, say, remember }, whyIsOpen());
    place.views.push(view);
    place.answers.append(view.node);
    place.answers.classList.toggle("several", place.views.length > 1);
    this.#drawChoices(place);
    return view;
  }

  /** Of several answers, one is what the next question follows on. */
  #drawChoices({ turn, views, group }) {
    if (views.length < 2) return;
    views.forEach((view, at) => {
      const choose = () => {
        turn.chosen = at;
        this.#keep(this.#conversation);
      };
      const radio = { type: "radio", name: group, checked: turn.chosen === at, onchange: choose };
      fill(view.choice, h("label", { class: "small" }, h("input", radio), " go on from this one"));
    });
  }

  async #ask(question, models, settings) {
    const turn = { question, answers: [], chosen: 0, settings };
    if (this.#conversation.turns.length === 0) fill(this.#thread);
    this.#conversation.turns.push(turn);
    this.#conversation.models = models;
    const place = this.#place(turn);
    this.#thread.append(place.node);
    this.#keep(this.#conversation);
    history.replaceState(null, "", `#/chat/${this.#conversation.id}`);
    this.#sidebar.draw(this.#conversation.id);
    place.node.scrollIntoView({ block: "start", behavior: "smooth" });
    await Promise.all(models.map((model) => this.#run(place, model)));
  }

  /** One more answer to a question that has some. */
  async #more(place, model) {
    if (this.#running.size > 0) return;
    place.turn.chosen = place.turn.answers.length;
    await this.#run(place, model);
  }

  async #run(place, model) {
    const { api } = this.#shell;
    const conversation = this.#conversation;
    const leaving = new AbortController();
    const answer = newAnswer(model);
    const messages = messagesOf(conversation, place.turn);
    place.turn.answers.push(answer);
    const view = this.#show(place, answer, () => leaving.abort());
    this.#running.add(leaving);
    this.#composer.busy = true;
    const changed = () => view.changed();
    const { settings } = place.turn;
    await exchange(api, answer, messages, settings, { signal: leaving.signal, changed });
    this.#running.delete(leaving);
    this.#composer.busy = this.#running.size > 0;
    this.#heard.textContent = `${model}: ${SAID[answer.state]}`;
    this.#keep(conversation);
  }

  #stop() {
    for (const leaving of this.#running) leaving.abort();
  }

  #keep(conversation) {
    if (conversation.removed) return;
    const turns = conversation.turns.map((turn) => ({
      ...turn,
      answers: turn.answers.map(keptAnswer),
    }));
    const kept = { ...conversation, turns };
    this.#conversations.save(kept);
    conversation.title = kept.title;
  }
}

/** Whether explanations are open: as people left them, else where there is room for them. */
function whyIsOpen() {
  const left = localStorage.getItem(WHY);
  return left === null ? matchMedia("(min-width: 60rem)").matches : left === "true";
}
