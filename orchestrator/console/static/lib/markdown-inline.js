/** What stands within a line of Markdown: code, emphasis, links. */

import { h } from "./dom.js";
import { shown } from "./text.js";

/** A longer paragraph is shown as it is: nobody writes such a one by hand. */
const LONGEST = 20_000;
/** How far from its beginning an emphasis may end. */
const REACH = 2_000;
const DEEPEST = 6;
const SPECIAL = /[\\`*_~[<h\n]/g;
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const WORD = /[\p{L}\p{N}]/u;
const URL_HERE = /https?:\/\/[^\s<>"'`)\]]{1,2000}/y;
const LINK_HERE = /\[([^[\]\n]{1,500})\]\((\S{1,2000}?)(?:\s+"[^"\n]{0,500}")?\)/y;
const MARKS = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "s"],
  ["*", "em"],
  ["_", "em"],
];

/** The nodes of a line or paragraph. */
export function inline(text, depth = 0) {
  if (text.length > LONGEST || depth > DEEPEST) return shown(text);
  const nodes = [];
  const searched = new Map();
  let plain = "";
  const flush = () => {
    if (plain) nodes.push(...shown(plain));
    plain = "";
  };
  for (let at = 0; at < text.length; ) {
    SPECIAL.lastIndex = at;
    const next = SPECIAL.exec(text)?.index ?? text.length;
    plain += text.slice(at, next);
    if (next === text.length) break;
    const found = spanAt(text, next, depth, searched);
    if (found.node) {
      flush();
      nodes.push(found.node);
    } else {
      plain += found.text;
    }
    at = found.end;
  }
  flush();
  return nodes;
}

/** What begins at a special character: a node, or the character itself. */
function spanAt(text, at, depth, searched) {
  const letter = text[at];
  const itself = { text: letter, end: at + 1 };
  if (letter === "\n") return { node: h("br"), end: at + 1 };
  if (letter === "\\") {
    const escaped = text[at + 1] ?? "";
    return PUNCTUATION.test(escaped) ? { text: escaped, end: at + 2 } : itself;
  }
  if (letter === "`") return codeAt(text, at);
  if (letter === "[") return linkAt(text, at, depth) ?? itself;
  if (letter === "h" || letter === "<") return addressAt(text, at) ?? itself;
  return emphasisAt(text, at, depth, searched) ?? itself;
}

function codeAt(text, at) {
  const mark = /`+/y;
  mark.lastIndex = at;
  const ticks = mark.exec(text)[0];
  const begin = at + ticks.length;
  const end = text.slice(begin, begin + REACH).indexOf(ticks);
  if (end < 0 || text[begin + end + ticks.length] === "`") return { text: ticks, end: begin };
  const inner = text.slice(begin, begin + end).replace(/^ (.*) $/s, "$1");
  return { node: h("code", { dir: "ltr" }, shown(inner)), end: begin + end + ticks.length };
}

function linkAt(text, at, depth) {
  LINK_HERE.lastIndex = at;
  const found = LINK_HERE.exec(text);
  const link = found && linkTo(found[2], inline(found[1], depth + 1));
  return link && { node: link, end: at + found[0].length };
}

/** An address that stands for itself. */
function addressAt(text, at) {
  const bare = text[at] === "<" ? at + 1 : at;
  if (bare > 0 && WORD.test(text[bare - 1])) return null;
  URL_HERE.lastIndex = bare;
  const address = URL_HERE.exec(text)?.[0].replace(/[.,;:!?]+$/, "");
  const link = address && linkTo(address, shown(address));
  if (!link) return null;
  const closed = bare > at && text[bare + address.length] === ">";
  if (bare > at && !closed) return null;
  return { node: link, end: bare + address.length + (closed ? 1 : 0) };
}

/** A link to http or https; null for anything else, `javascript:` and `data:` among it. */
function linkTo(address, children) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  const safe = { rel: "noopener noreferrer nofollow", target: "_blank", title: url.href };
  return h("a", { href: url.href, ...safe }, children);
}

function emphasisAt(text, at, depth, searched) {
  for (const [mark, tag] of MARKS) {
    if (!text.startsWith(mark, at)) continue;
    const begin = at + mark.length;
    // `2 * 3` and `snake_case` emphasise nothing.
    const opens = /\S/.test(text[begin] ?? " ");
    const inWord = mark[0] === "_" && at > 0 && WORD.test(text[at - 1]);
    const end = opens && !inWord ? closing(text, begin, mark, searched) : -1;
    if (end > begin) {
      const inner = inline(text.slice(begin, end), depth + 1);
      return { node: h(tag, {}, inner), end: end + mark.length };
    }
  }
  return null;
}

/** Where an emphasis ends; `searched` tells up to where no mark is one that ends any. */
function closing(text, begin, mark, searched) {
  const far = Math.min(text.length, begin + REACH);
  const from = Math.max(begin, searched.get(mark) ?? 0);
  for (let at = text.indexOf(mark, from); at >= 0 && at < far; at = text.indexOf(mark, at + 1)) {
    const after = at + mark.length;
    const single = mark.length === 1 && (text[at - 1] === mark || text[after] === mark);
    const inWord = mark[0] === "_" && WORD.test(text[after] ?? " ");
    if (/\S/.test(text[at - 1]) && !single && !inWord) return at;
  }
  searched.set(mark, far);
  return -1;
}
