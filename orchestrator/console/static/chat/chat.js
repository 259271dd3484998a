/** A conversation on the page, with the list of all of them and the field for the next question. */

import { fill, h } from "../lib/dom.js";
import { Composer } from "./composer.js";
import { newTurn } from "./conversations.js";
import { Follower } from "./follow.js";
import { Sidebar } from "./sidebar.js";
import { TurnView } from "./turn-view.js";
import { welcome } from "./welcome.js";

const SAID = {
  done: "the answer is complete.",
  stopped: "the answer was stopped.",
  failed: "there is no whole answer.",
};

export class Chat {
  #models;
  #shell;
  #talks;
  #conversation = null;
  #thread = h("div", { class: "thread" });
  /** Tells those who do not see the page that an answer has ended. */
  #heard = h("p", { class: "hidden-label", role: "status" });
  #sidebar;
  #composer;
  #follower;

  constructor(models, shell) {
    this.#models = [...models];
    this.#shell = shell;
    this.#talks = shell.talks;
    this.#sidebar = new Sidebar(this.#talks.kept, {
      open: (id) => shell.go(`chat/${id}`),
      begin: () => this.#begin(),
      remove: (id) => this.#remove(id),
    });
    const stop = () => this.#talks.stopIn(this.#conversation.id);
    this.#composer = new Composer(this.#models, (...asked) => this.#ask(...asked), stop);
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
    this.#follower = new Follower(this.#composer.node, signal);
    document.addEventListener("keydown", ({ key }) => key === "Escape" && stop(), { signal });
    this.#talks.page = this.#page();
    signal.addEventListener("abort", () => this.#leave());
  }

  /** What `chat/talks.js` tells. */
  #page() {
    const shows = (id) => id === this.#conversation?.id;
    return {
      shows,
      redraw: (id) => shows(id) && this.#drawThread(),
      gone: (id) => {
        if (!shows(id)) return;
        this.#shell.say("This conversation was deleted in another tab.");
        this.#shell.go("chat/new");
      },
      listed: () => this.#sidebar.draw(this.#conversation?.id),
      ended: ({ model, state }) => {
        this.#heard.textContent = `${model}: ${SAID[state]}`;
        this.#composer.busy = this.#talks.busy(this.#conversation.id);
      },
    };
  }

  /** Answers go on without the page. */
  #leave() {
    this.#talks.drafts.set(this.#conversation.id, this.#composer.draft);
    this.#talks.page = null;
  }

  /** Shows a conversation; a new one where there is none of that id. */
  open(id) {
    const usual = [this.#models[0]?.id ?? ""];
    this.#conversation = this.#talks.open(id, usual);
    this.#composer.choose(this.#conversation.models);
    this.#composer.draft = this.#talks.drafts.get(this.#conversation.id) ?? "";
    this.#drawThread();
    this.#sidebar.draw(this.#conversation.id);
    this.#composer.focus();
    if (this.#conversation.turns.length > 1) this.#follower.begin(this.#thread.lastChild);
  }

  /** The pool has changed: other models can be asked. All parts of the page share the list. */
  offer(models) {
    const asked = this.#composer.models;
    this.#models.splice(0, this.#models.length, ...models);
    const gone = asked.filter((id) => !models.some((model) => model.id === id));
    this.#composer.choose(asked);
    if (gone.length > 0) this.#shell.say(`${gone.join(" and ")} cannot be asked any more.`);
    if (this.#conversation.turns.length === 0) this.#drawThread();
  }

  #begin() {
    if (this.#conversation.turns.length > 0) this.#shell.go("chat/new");
    else this.#composer.focus();
  }

  #remove(id) {
    this.#talks.remove(id);
    if (id === this.#conversation.id) this.#begin();
  }

  #drawThread() {
    const { turns, id } = this.#conversation;
    const choose = (model) => {
      this.#composer.choose([model]);
      this.#composer.focus();
    };
    fill(this.#thread, turns.map((turn) => this.#place(turn).node));
    if (turns.length === 0) this.#thread.append(welcome(this.#models, choose));
    this.#composer.busy = this.#talks.busy(id);
  }

  /** A turn on the page. */
  #place(turn) {
    const view = new TurnView(turn, this.#models, {
      say: this.#shell.say,
      stop: (answer) => this.#talks.stop(answer),
      watch: (answer, changed) => this.#talks.watch(answer, changed),
      chosen: () => this.#talks.save(this.#conversation),
      grown: (node) => this.#follower.grown(node),
      again: (model) => this.#again(view, turn, model),
    });
    return view;
  }

  #ask(question, models, settings) {
    const turn = newTurn(question, settings);
    if (this.#conversation.turns.length === 0) fill(this.#thread);
    this.#conversation.turns.push(turn);
    this.#conversation.models = models;
    const view = this.#place(turn);
    this.#thread.append(view.node);
    for (const model of models) view.show(this.#talks.ask(this.#conversation, turn, model));
    this.#asked();
    this.#follower.begin(view.node);
  }

  /** One more answer to a question that has some. */
  #again(view, turn, model) {
    if (this.#talks.busy(this.#conversation.id)) return;
    turn.chosen = turn.answers.length;
    view.show(this.#talks.ask(this.#conversation, turn, model));
    this.#asked();
  }

  #asked() {
    this.#composer.busy = true;
    this.#talks.save(this.#conversation);
    history.replaceState(null, "", `#/chat/${this.#conversation.id}`);
    this.#sidebar.draw(this.#conversation.id);
  }
}
