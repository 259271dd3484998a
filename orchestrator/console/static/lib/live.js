/** The pool as it is told: one stream, which is taken up again where it breaks off. */

import { pause } from "./wait.js";

const SPARK = 60;
const PAUSE_MS = 1000;
const LONGEST_MS = 15000;

/** What is known of the pool; `changed` is called after every event. */
export class LivePool {
  constructor(changed) {
    this.changed = changed;
    this.pool = null;
    this.inFlight = 0;
    this.draining = false;
    this.moves = [];
    this.rates = new Map();
    this.connected = false;
    this.fault = null;
    /** When the last event came, in seconds since 1970. */
    this.heard = null;
    /** What the service's clock is ahead of ours, in seconds. */
    this.ahead = 0;
  }

  /** Listens until `signal` aborts. Throws ApiError where that may not be. */
  async listen(api, signal) {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        for await (const { data } of api.events("/coterie/events", { signal })) {
          if (!data) continue;
          failures = 0;
          this.take(JSON.parse(data));
        }
      } catch (error) {
        if (signal.aborted || error.status === 401) return;
        if (error.status === 403 || error.status === 404) throw error;
        this.fault = error.message;
      }
      this.connected = false;
      if (!signal.aborted) this.changed();
      await pause(Math.min(PAUSE_MS * 2 ** failures, LONGEST_MS), signal);
    }
  }

  /** One event. */
  take(told) {
    if (!this.connected) this.moves = [];
    this.connected = true;
    this.heard = told.at;
    this.fault = null;
    this.ahead = told.at - Date.now() / 1000;
    if (told.type === "pool") this.pool = told;
    if (told.type === "moves") this.moves.push(...told.moves);
    if (told.type === "rates") this.takeRates(told);
    const oldest = told.at - 900;
    if (this.moves.length > 2000) this.moves = this.moves.filter((move) => move.at > oldest);
    this.changed();
  }

  takeRates(told) {
    this.inFlight = told.in_flight;
    this.draining = told.draining;
    for (const name of new Set([...this.experts(), ...Object.keys(told.experts)])) {
      const one = told.experts[name] ?? { requests_s: 0, tokens_s: 0 };
      const known = this.rates.get(name) ?? { requests: [], tokens: [] };
      known.requests = [...known.requests, one.requests_s].slice(-SPARK);
      known.tokens = [...known.tokens, one.tokens_s].slice(-SPARK);
      this.rates.set(name, known);
    }
  }

  /** The names of all experts. */
  experts() {
    return this.pool === null ? [] : Object.keys(this.pool.queued);
  }

  /** The service's time, in seconds since 1970. */
  now() {
    return Date.now() / 1000 + this.ahead;
  }

  /** The last rate of an expert, or of all of them. */
  rate(kind, name) {
    const rates = name === undefined ? [...this.rates.values()] : [this.rates.get(name)];
    return rates.reduce((sum, one) => sum + (one?.[kind].at(-1) ?? 0), 0);
  }

  /** The values of an expert in the last minute, zeros where nothing was heard yet. */
  history(kind, name) {
    const heard = this.rates.get(name)?.[kind] ?? [];
    return [...Array(SPARK - heard.length).fill(0), ...heard];
  }
}
