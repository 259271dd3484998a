/** The shell: navigation, signing in, and one page at a time, by the address's hash (`#/chat`). */

import { Talks } from "./chat/talks.js";
import { Api, ROOT } from "./lib/api.js";
import { fill, h } from "./lib/dom.js";
import { Health } from "./lib/health.js";
import { learnColours } from "./lib/palette.js";
import { currentKey, forget } from "./lib/session.js";
import { timeOfDay } from "./lib/units.js";
import { PAGES } from "./pages/table.js";
import { signIn } from "./sign-in.js";

const [main, nav, session, news, banner] = ["main", "pages", "session", "news", "banner"].map(
  (id) => document.getElementById(id),
);
// What stays at the top of the page stays below the banner, however high that is.
new ResizeObserver(() => {
  document.documentElement.style.setProperty("--banner", `${banner.offsetHeight}px`);
}).observe(banner);
let leaving = new AbortController();
/** The form that asks for a key, while it is there. */
let asking = null;
/** A page that waits for a service that does not answer. */
let again = null;

const health = new Health(new URL("health/readiness", ROOT), (words, state) => {
  const pool = h("a", { href: "#/pool" }, "Pool");
  const until = ` What is shown is as of ${timeOfDay(Date.now() / 1000)} at the latest.`;
  const more = { stopping: [" End it under ", pool, "."], away: until };
  fill(banner, words, more[state]);
  main.classList.toggle("away", state === "away");
  if (state !== "away") again?.();
});
const api = new Api(currentKey, refused, () => health.look());
const say = (words) => {
  news.textContent = words;
  clearTimeout(say.silence);
  say.silence = setTimeout(() => (news.textContent = ""), 6000);
};

/**
 * What a page gets beside its root: `api`, `say(words)` for a short message, `go(path)`, `path`
 * (the parts of the hash behind the page's name), `talks` (`chat/talks.js`), `look()` after what
 * changes whether the service is ready, and `signal`, which aborts when the page is left.
 */
const shell = {
  api,
  say,
  talks: new Talks(api, say),
  look: () => health.look(),
  go: (path) => (location.hash = `#/${path}`),
};

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The page that the address names; the first one where it names none. */
function named() {
  const address = location.hash.replace(/^#\/?/, "");
  const [name, ...path] = address.split("/").map(decoded);
  return { page: PAGES.find((one) => one.name === name) ?? PAGES[0], path };
}

/** What is shown until now is left. */
function leave() {
  leaving.abort();
  leaving = new AbortController();
  again = null;
  asking = null;
  return leaving.signal;
}

async function show() {
  const signal = leave();
  const { page, path } = named();
  document.title = `${page.title} · Coterie`;
  for (const link of nav.children) {
    if (link.dataset.page === page.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const root = h("div", { class: `page page-${page.name}` });
  fill(main, root);
  try {
    await learnColours(api, signal);
    if (signal.aborted) return;
    await page.render(root, { ...shell, path, signal });
  } catch (error) {
    if (!signal.aborted && error.name !== "AbortError") missing(page, error);
  }
}

/** A page that could not be shown says why, and comes by itself once the service answers. */
function missing({ title }, error) {
  leave();
  if (!error.away && !error.status) console.error(error);
  const words = error.away ? "This page comes once the service answers." : error.message;
  const button = h("button", { type: "button", onclick: start }, "Try again");
  const told = h("p", { class: error.away ? "muted" : "fault", role: "alert" }, words);
  fill(main, h("div", { class: "page" }, h("h1", {}, title), told, button));
  if (!error.away) return;
  again = start;
  // It may be back already, and its state the same as before.
  health.look().then(() => health.state !== "away" && again === start && setTimeout(retry, 1000));
}

function retry() {
  if (health.state !== "away") again?.();
}

/** The service wants a key, or another one: ask for it, then show the page again. */
function refused() {
  const had = currentKey() !== null;
  forget();
  const words = had && asking ? "This key is not known." : "This key is no longer accepted.";
  if (asking === null) {
    leave();
    asking = signIn(api, start);
    showSession();
    fill(main, asking.node);
  }
  if (had) asking.fault(words);
  asking.focus();
}

function showSession() {
  const out = () => {
    shell.talks.stopAll();
    forget();
    refused();
  };
  const button = h("button", { type: "button", class: "quiet", onclick: out }, "Sign out");
  fill(session, currentKey() !== null && button);
}

function start() {
  showSession();
  show();
  health.look();
}

fill(
  nav,
  PAGES.map(({ name, title }) => h("a", { href: `#/${name}`, "data-page": name }, title)),
);
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#/")) start();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
start();
