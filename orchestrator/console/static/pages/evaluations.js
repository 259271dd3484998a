/** Reports of evaluations: what was measured, with pictures, and the frontier of compositions. */

import { fill, h } from "../lib/dom.js";
import { markdown } from "../lib/markdown.js";

const MOST_TEXT = 200_000;

export async function render(root, { api, signal, path }) {
  if (path[0]) return one(root, api, signal, path[0]);
  const head = h("h1", {}, "Evaluations");
  const told = await api.json("/coterie/reports", { signal });
  const how = told.shown
    ? [
        "There is no report yet: ",
        h("code", {}, "coterie eval run … -o FOLDER/NAME"),
        " writes one.",
      ]
    : [
        "This service shows no reports: ",
        h("code", {}, "server.reports.folder"),
        " names their folder.",
      ];
  const none = h("p", { class: "muted" }, how);
  fill(
    root,
    head,
    told.reports.length === 0 && none,
    h(
      "div",
      { class: "grid" },
      told.reports.map((report) =>
        h(
          "article",
          { class: "card" },
          h(
            "h2",
            {},
            h("a", { href: `#/evaluations/${encodeURIComponent(report.name)}` }, report.name),
          ),
          h("p", { class: "muted" }, new Date(1000 * report.at).toLocaleString()),
        ),
      ),
    ),
  );
}

async function one(root, api, signal, name) {
  const base = `/coterie/reports/${encodeURIComponent(name)}`;
  const report = await api.json(base, { signal });
  const pictures = await Promise.all(
    report.pictures.map((file) =>
      picture(api, `${base}/files/${encodeURIComponent(file)}`, file, signal),
    ),
  );
  const open = async () => {
    const response = await api.call(`${base}/files/${encodeURIComponent(report.page)}`, { signal });
    const url = URL.createObjectURL(await response.blob());
    h("a", { href: url, download: `${name}.html` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };
  fill(
    root,
    h("p", {}, h("a", { href: "#/evaluations" }, "← Evaluations")),
    h(
      "div",
      { class: "row spread" },
      h("h1", {}, name),
      report.page && h("button", { type: "button", onclick: open }, "Save the whole report"),
    ),
    h(
      "div",
      { class: "figures" },
      pictures.map((node) => h("figure", { class: "report card" }, node)),
    ),
    report.text && textOf(report.text),
  );
}

/** The report's Markdown; what stands in it came from models, and is nodes and never HTML. */
function textOf(text) {
  const region = { class: "card report-text scroll-x", tabindex: 0, role: "region" };
  return h("div", { ...region, "aria-label": "The report" }, markdown(text.slice(0, MOST_TEXT)));
}

/** A picture as data: what may come from elsewhere is only ever an image, and runs nothing. */
async function picture(api, path, name, signal) {
  const response = await api.call(path, { signal });
  const blob = await response.blob();
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
  return [
    h("img", { src: url, alt: name, loading: "lazy" }),
    h("figcaption", { class: "muted small" }, name),
  ];
}
