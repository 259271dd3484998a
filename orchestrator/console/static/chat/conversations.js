/**
 * The conversations that this browser keeps. The service knows nothing of them.
 *
 * A conversation is `{id, title, at, models, turns}`, a turn `{id, question, answers, chosen}`:
 * the answer number `chosen` is what the next question follows on. Answers: `chat/exchange.js`.
 */

const PREFIX = "coterie.chat.";
/** Beyond these bounds the oldest are dropped; browsers give a page five million characters. */
export const MOST = 50;
const MOST_CHARACTERS = 3_000_000;
const MOST_TITLE = 60;

export class Conversations {
  #storage;

  constructor(storage = localStorage) {
    this.#storage = storage;
  }

  /** All of them, the last used first. */
  all() {
    return this.#names()
      .map((name) => this.#read(name))
      .filter((one) => one !== null)
      .sort((one, other) => other.at - one.at);
  }

  find(id) {
    return this.#read(PREFIX + id);
  }

  /** A new one, which is not kept before it has a question. */
  begin(models) {
    return { id: randomId(), title: "", at: Date.now(), models, turns: [] };
  }

  /** Keeps it, and drops the oldest where there is no room; its title. */
  save(conversation) {
    conversation.at = Date.now();
    conversation.title ||= titleOf(conversation);
    const text = JSON.stringify(conversation);
    const others = this.all().filter(({ id }) => id !== conversation.id);
    while (others.length >= MOST) this.remove(others.pop().id);
    for (;;) {
      const size = this.#size(conversation.id) + text.length;
      try {
        const full = size > MOST_CHARACTERS && others.length > 0;
        if (full) throw new DOMException("There is no room.", "QuotaExceededError");
        this.#storage.setItem(PREFIX + conversation.id, text);
        return conversation.title;
      } catch (error) {
        if (error.name !== "QuotaExceededError" || !others.length) throw error;
        this.remove(others.pop().id);
      }
    }
  }

  rename(id, title) {
    const found = this.find(id);
    if (!found || !title.trim()) return;
    found.title = title.trim().slice(0, MOST_TITLE);
    this.#storage.setItem(PREFIX + id, JSON.stringify(found));
  }

  remove(id) {
    this.#storage.removeItem(PREFIX + id);
  }

  /** Where it lies in the storage. */
  nameOf(id) {
    return PREFIX + id;
  }

  #names() {
    const names = Array.from({ length: this.#storage.length }, (_, at) => this.#storage.key(at));
    return names.filter((name) => name.startsWith(PREFIX));
  }

  /** Characters of all but one of them. */
  #size(id) {
    const others = this.#names().filter((name) => name !== PREFIX + id);
    return others.reduce((sum, name) => sum + this.#storage.getItem(name).length, 0);
  }

  /** One of them; null for what is not there, or was written by another version. */
  #read(name) {
    try {
      const found = JSON.parse(this.#storage.getItem(name));
      return Array.isArray(found?.turns) && found.models ? named(found) : null;
    } catch {
      return null;
    }
  }
}

/** Turns and answers have names, by which tabs know them; those of an older version get some. */
function named(conversation) {
  conversation.turns.forEach((turn, number) => {
    turn.id ??= `turn-${number}`;
    turn.answers.forEach((answer, at) => (answer.key ??= `answer-${at}`));
  });
  return conversation;
}

/** A name that no other tab gives. Not `randomUUID`: pages have it over https or locally only. */
export function randomId() {
  const parts = [...crypto.getRandomValues(new Uint32Array(3))];
  return parts.map((part) => part.toString(36)).join("");
}

/** A question without answers yet. */
export function newTurn(question, settings) {
  return { id: randomId(), question, answers: [], chosen: 0, settings };
}

function titleOf({ turns }) {
  const question = turns[0]?.question.trim().replace(/\s+/g, " ") ?? "";
  return question.length > MOST_TITLE ? `${question.slice(0, MOST_TITLE - 1)}…` : question;
}

/** The messages that a question of this turn follows on, and the question. */
export function messagesOf(conversation, turn) {
  const messages = [];
  for (const one of conversation.turns) {
    const text = one === turn ? "" : one.answers[one.chosen]?.text;
    if (one !== turn && !text) continue; // Without an answer, the question was never put.
    messages.push({ role: "user", content: one.question });
    if (one === turn) break;
    messages.push({ role: "assistant", content: text });
  }
  return messages;
}
