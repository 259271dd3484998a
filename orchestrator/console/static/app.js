/** The shell: navigation, signing in, and one page at a time, by the address's hash (`#/chat`). */

import { Api } from "./lib/api.js";
import { fill, h } from "./lib/dom.js";
import { currentKey, forget } from "./lib/session.js";
import { PAGES } from "./pages/table.js";
import { signIn } from "./sign-in.js";

const [main, nav, session, news] = ["main", "pages", "session", "news"].map((id) =>
  document.getElementById(id),
);
let leaving = new AbortController();

/**
 * What a page gets beside its root: `api`, `say(words)` for a short message, `go(path)`, `path`
 * (the parts of the hash behind the page's name), and `signal`, which aborts when it is left.
 */
const shell = {
  api: new Api(currentKey, () => refused()),
  say: (words) => {
    news.textContent = words;
    clearTimeout(shell.silence);
    shell.silence = setTimeout(() => (news.textContent = ""), 6000);
  },
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

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { page, path } = named();
  document.title = `${page.title} · Coterie`;
  for (const link of nav.children) {
    if (link.dataset.page === page.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const module = await page.load();
  if (signal.aborted) return;
  const root = h("div", { class: `page page-${page.name}` });
  fill(main, root);
  await module.render(root, { ...shell, path, signal });
}

/** The service wants a key, or another one: ask for it, then show the page again. */
function refused() {
  const wrong = currentKey() !== null;
  forget();
  leaving.abort();
  leaving = new AbortController();
  showSession();
  fill(main, signIn(shell.api, wrong, start));
  main.querySelector("input").focus();
}

function showSession() {
  const out = () => {
    forget();
    refused();
  };
  const button = h("button", { type: "button", class: "quiet", onclick: out }, "Sign out");
  fill(session, currentKey() !== null && button);
}

function start() {
  showSession();
  show().catch(fault);
}

/** What nobody else has caught; that a page was left is no fault. */
function fault(error) {
  if (error.name === "AbortError" || error.status === 401) return;
  console.error(error);
  shell.say(error.message);
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
