/** The service's API, called with the key of whoever is signed in. */

import { eventsOf } from "./events.js";

/** Where the service lies: also below a path, behind a proxy. */
export const ROOT = new URL("../../", import.meta.url);
const BROKEN = "The connection broke off before the service had said all of it.";

/** What the service refused, in its own words. */
export class ApiError extends Error {
  constructor(status, error, id = null) {
    super(error?.message ?? `The service answered ${status}.`);
    this.status = status;
    this.id = id;
    this.code = error?.code ?? null;
  }
}

/** Nobody answered, or the answer broke off. */
export class Away extends Error {
  away = true;
}

export class Api {
  /**
   * `key` tells the API key, or null; `refused` is called once the service wants another one,
   * `lost` when it does not answer.
   */
  constructor(key, refused, lost) {
    this.key = key;
    this.refused = refused;
    this.lost = lost;
  }

  /** A response whose status is good. Throws ApiError, Away, and an abort of `signal`. */
  async call(path, { method = "GET", body, signal, headers = {} } = {}) {
    const key = this.key();
    const sent = { ...headers };
    if (key) sent.authorization = `Bearer ${key}`;
    if (body !== undefined && !(body instanceof FormData)) {
      sent["content-type"] = "application/json";
      body = JSON.stringify(body);
    }
    const url = new URL(path.replace(/^\//, ""), ROOT);
    // No cookies and no answers of yesterday: who asks is the key, and nothing else.
    const options = { credentials: "omit", cache: "no-store" };
    const asked = fetch(url, { method, body, signal, headers: sent, ...options });
    const response = await this.#heard(asked, "The service does not answer.");
    if (response.ok) return response;
    const told = await response.json().catch(() => null);
    // What a proxy says where it finds nobody.
    if (!told && [502, 503, 504].includes(response.status)) {
      this.lost();
      throw new Away(`The service does not answer (status ${response.status}).`);
    }
    // Not where somebody has signed in with another key meanwhile.
    if (response.status === 401 && key === this.key()) this.refused();
    throw new ApiError(response.status, told?.error, response.headers.get("x-request-id"));
  }

  /** What comes, or in plain words that nothing does: browsers have terse ones, each its own. */
  async #heard(coming, words) {
    try {
      return await coming;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      this.lost();
      throw new Away(words);
    }
  }

  /** What the service answers, as JSON. */
  async json(path, options) {
    const response = await this.call(path, options);
    return this.#heard(response.json(), BROKEN);
  }

  /** Posts, and calls `started` with the response; yields the events and comments of its stream. */
  async *stream(path, { body, signal, headers, started = () => {} }) {
    const response = await this.call(path, { method: "POST", body, signal, headers });
    started(response);
    yield* this.#events(response);
  }

  /** Yields the events of an endpoint that pushes them until `signal` aborts. */
  async *events(path, { signal } = {}) {
    yield* this.#events(await this.call(path, { signal }));
  }

  async *#events(response) {
    const events = eventsOf(response.body);
    try {
      for (;;) {
        const { value, done } = await this.#heard(events.next(), BROKEN);
        if (done) return;
        yield value;
      }
    } finally {
      await events.return();
    }
  }
}
