/** Conversations whose answers come, whichever page is shown, and what other tabs add to them. */

import { Conversations, messagesOf } from "./conversations.js";
import { exchange, keptAnswer, newAnswer, recordOf } from "./exchange.js";
import { adopt } from "./merge.js";

/**
 * What this tab knows of conversations. The page that shows one sets `page`: `redraw(id)` is
 * called when another tab has changed it, `gone(id)` when it was deleted there, `ended(answer)`
 * after each answer.
 */
export class Talks {
  kept = new Conversations();
  /** The conversation that was shown last, and questions that were begun, by conversation. */
  current = null;
  drafts = new Map();
  page = null;
  #api;
  #say;
  #open = new Map();
  #saved = new Set();
  #running = new Map();
  #watchers = new Map();

  constructor(api, say) {
    this.#api = api;
    this.#say = say;
    addEventListener("storage", ({ key }) => this.#elsewhere(key));
    addEventListener("pagehide", () => {
      for (const { conversation } of this.#running.values()) this.save(conversation);
    });
  }

  /** A conversation as this tab has it; a new one where there is none of that id. */
  open(id, models) {
    const stored = id ? this.kept.find(id) : null;
    if (stored) this.#saved.add(id);
    const found = this.#open.get(id) ?? stored ?? this.kept.begin(models);
    for (const other of this.#open.keys()) if (!this.busy(other)) this.#open.delete(other);
    this.#open.set(found.id, found);
    this.current = found.id;
    return found;
  }

  /** Whether answers are coming in this conversation. */
  busy(id) {
    return [...this.#running.values()].some(({ conversation }) => conversation.id === id);
  }

  /** Asks a model; the answer, which fills itself. */
  ask(conversation, turn, model) {
    const answer = newAnswer(model);
    const messages = messagesOf(conversation, turn);
    turn.answers.push(answer);
    const leaving = new AbortController();
    this.#running.set(answer, { conversation, leaving });
    this.#run(answer, conversation, messages, turn.settings).catch((error) => {
      console.error(error);
      this.#say(error.message);
    });
    return answer;
  }

  async #run(answer, conversation, messages, settings) {
    const { signal } = this.#running.get(answer).leaving;
    const changed = () => this.#watchers.get(answer)?.();
    await exchange(this.#api, answer, messages, settings, { signal, changed });
    this.#running.delete(answer);
    this.save(conversation);
    changed();
    if (this.page?.shows(conversation.id)) this.page.ended(answer);
    else if (answer.state === "done") {
      this.#say(`${answer.model} has answered: “${conversation.title}”`);
    }
    if (answer.id) answer.record = await recordOf(this.#api, answer.id);
    if (answer.record) this.save(conversation);
    changed();
    this.#watchers.delete(answer);
  }

  /** Calls `changed` whenever something is added to an answer that is under way. */
  watch(answer, changed) {
    if (this.#running.has(answer)) this.#watchers.set(answer, changed);
  }

  stop(answer) {
    this.#running.get(answer)?.leaving.abort();
  }

  /** Stops all answers of a conversation. */
  stopIn(id) {
    for (const { conversation, leaving } of this.#running.values()) {
      if (conversation.id === id) leaving.abort();
    }
  }

  /** Stops all answers: nobody is signed in any more. */
  stopAll() {
    for (const { leaving } of this.#running.values()) leaving.abort();
    this.drafts.clear();
    this.current = null;
  }

  /** Keeps a conversation, together with what other tabs have added to it. */
  save(conversation) {
    const { id } = conversation;
    const stored = this.kept.find(id);
    // Deleted meanwhile: a half of it would be no use to anybody.
    if (stored === null && this.#saved.has(id)) return;
    const news = stored !== null && adopt(conversation, stored);
    const turns = conversation.turns.map((turn) => ({
      ...turn,
      answers: turn.answers.map(keptAnswer),
    }));
    try {
      conversation.title = this.kept.save({ ...conversation, turns });
      this.#saved.add(id);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      this.#say("This browser has no room to keep the conversation: delete others.");
    }
    if (news) this.page?.redraw(id);
  }

  /** Deletes a conversation, and stops its answers. */
  remove(id) {
    this.kept.remove(id);
    this.#gone(id);
  }

  #gone(id) {
    this.stopIn(id);
    this.#open.delete(id);
    if (this.current === id) this.current = null;
  }

  /** Another tab has written, or deleted, a conversation; without a key, all of them. */
  #elsewhere(key) {
    for (const [id, mine] of [...this.#open]) {
      if (key !== null && key !== this.kept.nameOf(id)) continue;
      const stored = this.kept.find(id);
      if (stored) {
        this.#saved.add(id);
        if (adopt(mine, stored, { follow: true })) this.page?.redraw(id);
      } else if (this.#saved.has(id)) {
        this.#gone(id);
        this.page?.gone(id);
      }
    }
    this.page?.listed();
  }
}
