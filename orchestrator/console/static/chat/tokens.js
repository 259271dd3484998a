/** An answer coloured by who spoke at each token, or by whom the speaker listened to. */

import { h } from "../lib/dom.js";
import { count, percent } from "../lib/format.js";
import { coloured } from "../lib/palette.js";
import { shown } from "../lib/text.js";

const NOBODY = "the router alone";

/** The tokens as text, with a legend; `tokens` are those of `chat/exchange.js`. */
export function tokenView(tokens) {
  const byAttention = tokens.some(({ attention }) => attention !== undefined);
  const totals = new Map();
  const marks = [];
  for (const token of tokens) {
    const spoke = { [token.expert ?? NOBODY]: 1 };
    const shares = byAttention ? meanAttention(token.attention ?? []) : spoke;
    for (const [name, share] of Object.entries(shares)) {
      totals.set(name, (totals.get(name) ?? 0) + share / tokens.length);
    }
    marks.push(mark(token, shares, byAttention));
  }
  const legend = [...totals].sort((one, other) => other[1] - one[1]);
  const words = byAttention
    ? "Coloured by the expert that the speaker listened to most; stronger is more."
    : "Coloured by the expert that spoke.";
  return h(
    "div",
    {},
    h("p", { class: "tokens", dir: "auto" }, marks),
    h(
      "ul",
      { class: "legend" },
      legend.map(([name, share]) => {
        const swatch = coloured(h("span", { class: "swatch expert", "aria-hidden": "true" }), name);
        return h("li", {}, swatch, `${name} `, h("span", { class: "number" }, percent(share)));
      }),
    ),
    h("p", { class: "muted small" }, `${words} ${count(tokens.length, "token")}.`),
  );
}

function mark(token, shares, byAttention) {
  const [name, share] = Object.entries(shares).sort((one, other) => other[1] - one[1])[0] ?? [];
  if (name === undefined || name === NOBODY) {
    return h("span", { class: "token", title: name ?? "listened to nobody" }, shown(token.text));
  }
  const told = Object.entries(shares).map(([who, part]) => `${who} ${percent(part)}`);
  const title = byAttention ? told.join(", ") : name;
  const node = coloured(h("mark", { class: "token expert", title }, shown(token.text)), name);
  if (byAttention) node.style.setProperty("--share", String(Math.max(0.15, share)));
  return node;
}

/** Over the interaction layers: member -> the mean share of the speaker's attention. */
function meanAttention(layers) {
  const shares = {};
  for (const layer of layers) {
    for (const [name, share] of Object.entries(layer)) {
      shares[name] = (shares[name] ?? 0) + share / layers.length;
    }
  }
  return shares;
}
