/**
 * Markdown as DOM nodes: what models write, and no more than that. HTML in it stays text, and a
 * link leads to http or https or is text as well.
 */

import { h } from "./dom.js";
import { inline } from "./markdown-inline.js";
import { cut, shown } from "./text.js";

// Each of these takes time in proportion to its line, whatever the line is.
const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*)$/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])[ \t]+(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const SPLIT = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
/** Lists and quotes within each other; deeper ones are text. */
const DEEPEST = 8;
/** Of the row below a table's head, and the columns that a table may have. */
const [LONGEST_ROW, MOST_COLUMNS] = [500, 40];

/** The nodes of a text. */
export function markdown(text) {
  return blocks(text.replace(/\r\n?/g, "\n").split("\n"), 0);
}

function blocks(lines, depth) {
  const found = [];
  let paragraph = [];
  const close = () => {
    if (paragraph.length) found.push(h("p", { dir: "auto" }, inline(paragraph.join("\n"))));
    paragraph = [];
  };
  for (let at = 0; at < lines.length; ) {
    const block = lines[at].trim() ? blockAt(lines, at, depth, paragraph.length > 0) : null;
    if (block || !lines[at].trim()) close();
    else paragraph.push(lines[at].trim());
    if (block) found.push(block.node);
    at = block ? block.end : at + 1;
  }
  close();
  return found;
}

/** The block that begins at a line and is no paragraph: its node, and the line after it. */
function blockAt(lines, at, depth, inParagraph) {
  const line = lines[at];
  const fence = FENCE.exec(line);
  if (fence) return code(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) {
    // The page, the question and the answer have headings; those in an answer lie below them.
    const tag = `h${Math.min(6, heading[1].length + 3)}`;
    return { node: h(tag, { dir: "auto" }, inline(heading[2].trim())), end: at + 1 };
  }
  if (RULE.test(line)) return { node: h("hr"), end: at + 1 };
  if (depth < DEEPEST) {
    if (QUOTE.test(line)) return quote(lines, at, depth);
    const item = ITEM.exec(line);
    // "1986. A great year" within a paragraph begins no list.
    if (item && !(inParagraph && /^\d/.test(item[2]) && parseInt(item[2], 10) !== 1)) {
      return list(lines, at, depth, item);
    }
  }
  const below = lines[at + 1] ?? "";
  const isTable = line.includes("|") && below.length <= LONGEST_ROW && SPLIT.test(below);
  return isTable ? table(lines, at) : null;
}

function code(lines, at, [, mark, about]) {
  const language = cut(about.trim(), 40);
  const indent = /^ */.exec(lines[at])[0].length;
  let end = at + 1;
  const closing = new RegExp(`^ {0,3}${mark[0]}{${mark.length},}[ \\t]*$`);
  while (end < lines.length && !closing.test(lines[end])) end++;
  const inner = lines.slice(at + 1, end).map((one) => one.replace(/^ */, (s) => s.slice(indent)));
  const label = language ? `Code, ${language}` : "Code";
  const block = h("pre", { tabindex: "0", role: "group", "aria-label": label, dir: "ltr" });
  block.append(h("code", {}, shown(inner.join("\n"))));
  return { node: block, end: Math.min(end + 1, lines.length) };
}

function quote(lines, at, depth) {
  const inner = [];
  let end = at;
  for (; end < lines.length && QUOTE.test(lines[end]); end++) inner.push(QUOTE.exec(lines[end])[1]);
  return { node: h("blockquote", {}, blocks(inner, depth + 1)), end };
}

/** Items of one list: what is indented further than its mark belongs to the item above it. */
function list(lines, at, depth, first) {
  const ordered = /\d/.test(first[2]);
  const base = first[1].length;
  const items = [];
  let end = at;
  for (; end < lines.length; end++) {
    const line = lines[end];
    const item = ITEM.exec(line);
    const indent = /^ */.exec(line)[0].length;
    if (item && indent <= base + 1 && !RULE.test(line)) {
      if (/\d/.test(item[2]) !== ordered || indent < base) break;
      items.push([item[3]]);
    } else if (line.trim() && indent > base) {
      items.at(-1).push(line.slice(Math.min(indent, base + 2 + (ordered ? 1 : 0))));
    } else if (!line.trim() && /^\s/.test(lines[end + 1] ?? "")) {
      items.at(-1).push("");
    } else if (!line.trim() && ITEM.test(lines[end + 1] ?? "")) {
      continue; // Items with space between them.
    } else {
      break;
    }
  }
  const start = ordered ? parseInt(first[2], 10) : null;
  const attributes = { start: start === 1 ? null : start, dir: "auto" };
  const nodes = items.map((item) => h("li", {}, itemContent(item, depth + 1)));
  return { node: h(ordered ? "ol" : "ul", attributes, nodes), end };
}

/** What an item's first paragraph says has no space around it. */
function itemContent(lines, depth) {
  if (lines.length === 1) return blockAt(lines, 0, depth, false)?.node ?? inline(lines[0]);
  const [first, ...rest] = blocks(lines, depth);
  return first?.localName === "p" ? [...first.childNodes, ...rest] : [first, ...rest];
}

function table(lines, at) {
  const cells = (line) => {
    const parts = line.trim().replace(/^\|/, "").replace(/\|$/, "").split("|", MOST_COLUMNS);
    return parts.map((one) => one.trim());
  };
  const head = cells(lines[at]);
  let end = at + 2;
  const rows = [];
  for (; end < lines.length && lines[end].includes("|"); end++) {
    const row = cells(lines[end]);
    rows.push(h("tr", {}, head.map((_, place) => h("td", {}, inline(row[place] ?? "")))));
  }
  const node = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, head.map((one) => h("th", { scope: "col" }, inline(one))))),
    h("tbody", {}, rows),
  );
  const frame = { class: "scroll-x", tabindex: "0", role: "group", "aria-label": "Table" };
  return { node: h("div", frame, node), end };
}
