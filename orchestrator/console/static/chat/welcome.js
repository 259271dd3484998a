/** What an empty conversation shows: who can be asked here. */

import { h } from "../lib/dom.js";
import { coloured } from "../lib/palette.js";
import { isComposition } from "./models.js";

/** A card for each model; `choose(model)` is called with the one that is pressed. */
export function welcome(models, choose) {
  const card = ({ id, metadata }) => {
    const name = h("span", { class: "chip" }, id);
    const button = h(
      "button",
      { type: "button", class: "model-card", onclick: () => choose(id) },
      metadata.type === "composition" ? name : coloured(name, id),
      h("span", { class: "muted small" }, metadata.failed ?? metadata.about),
    );
    name.classList.toggle("expert", metadata.type !== "composition");
    return h("li", {}, button);
  };
  const group = (title, members) => {
    const cards = h("ul", { class: "model-cards" }, members.map(card));
    return members.length > 0 && [h("h2", {}, title), cards];
  };
  return h(
    "div",
    { class: "welcome" },
    h("p", { class: "lead" }, "Ask a question, and see who answers it and why."),
    group("Compositions decide who answers", models.filter(isComposition)),
    group("Experts can be asked by name", models.filter((model) => !isComposition(model))),
  );
}
