/** The service's API, called with the key of whoever is signed in. */

import { eventsOf } from "./events.js";

/** Where the service lies: also below a path, behind a proxy. */
const ROOT = new URL("../../", import.meta.url);

/** What the service refused, in its own words. */
export class ApiError extends Error {
  constructor(status, error) {
    super(error?.message ?? `The service answered ${status}.`);
    this.status = status;
    this.code = error?.code ?? null;
  }
}

export class Api {
  /** `key` tells the API key, or null; `refused` is called once the service wants another one. */
  constructor(key, refused) {
    this.key = key;
    this.refused = refused;
  }

  /** A response whose status is good. Throws ApiError, and what `fetch` throws. */
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
    const response = await fetch(url, { method, body, signal, headers: sent, ...options });
    if (response.ok) return response;
    const told = await response.json().catch(() => null);
    if (response.status === 401) this.refused();
    throw new ApiError(response.status, told?.error);
  }

  /** What the service answers, as JSON. */
  async json(path, options) {
    return (await this.call(path, options)).json();
  }

  /** Posts, and calls `started` with the response; yields the events and comments of its stream. */
  async *stream(path, { body, signal, headers, started = () => {} }) {
    const response = await this.call(path, { method: "POST", body, signal, headers });
    started(response);
    yield* eventsOf(response.body);
  }

  /** Yields the events of an endpoint that pushes them until `signal` aborts. */
  async *events(path, { signal } = {}) {
    yield* eventsOf((await this.call(path, { signal })).body);
  }
}
