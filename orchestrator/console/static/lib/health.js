/** Whether the service answers, and whether it wants to be asked: looked at now and then. */

const LOOK_MS = 10_000;
const AWAY_MS = 1000;
const LONGEST_AWAY_MS = 8000;

/** What is said of a service in each state; of one that is ready, nothing. */
const WORDS = {
  away: "The service does not answer. Trying again …",
  stopping:
    "This gateway is drained: load balancers send it nothing, and it runs no batches. " +
    "It still answers what is asked here.",
  "not ready": "No slot is up: what is asked now waits for one, or fails.",
};

/** `told(words, state)` is called when the state changes; `words` is empty where all is well. */
export class Health {
  state = "ready";
  #told;
  #url;
  #failures = 0;
  #timer = 0;
  #looking = null;

  constructor(url, told) {
    this.#url = url;
    this.#told = told;
    // A tab that nobody sees asks nothing.
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
  }

  /** Looks now, and again after a while: sooner where there is no answer. */
  look() {
    this.#looking ??= this.#look().finally(() => (this.#looking = null));
    return this.#looking;
  }

  async #look() {
    clearTimeout(this.#timer);
    const state = await this.#ask();
    this.#failures = state === "away" ? this.#failures + 1 : 0;
    const away = Math.min(AWAY_MS * 2 ** (this.#failures - 1), LONGEST_AWAY_MS);
    const wait = state === "away" ? away : LOOK_MS;
    this.#timer = setTimeout(() => document.hidden || this.look(), wait);
    if (state === this.state) return;
    this.state = state;
    this.#told(WORDS[state] ?? "", state);
  }

  /** The service's own word; without it, nobody is there, or a proxy that finds nobody. */
  async #ask() {
    try {
      const response = await fetch(this.#url, { credentials: "omit", cache: "no-store" });
      const { status } = await response.json();
      return typeof status === "string" ? status : "away";
    } catch {
      return "away";
    }
  }
}
