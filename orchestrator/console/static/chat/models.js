/** The models that can be asked, and fields to choose one. */

import { h } from "../lib/dom.js";
import { cut } from "../lib/text.js";

/** What can chat, compositions first as the service lists them. */
export async function chatModels(api, signal) {
  const { data } = await api.json("/v1/models", { signal });
  return data.filter((model) => model.capabilities.includes("chat"));
}

/** Whether two lists offer the same, in the same words. */
export function sameModels(before, after) {
  const told = ({ id, metadata }) => [id, metadata.type, metadata.about, metadata.failed];
  return JSON.stringify(before.map(told)) === JSON.stringify(after.map(told));
}

export function isComposition(model) {
  return model.metadata.type === "composition";
}

/** Options in two groups; one `none` before them, where a choice may be left out. */
export function options(models, chosen, none = null) {
  const option = (model) => {
    const failed = model.metadata.failed ? " (failed to load)" : "";
    const about = cut(model.metadata.about ?? "", 60);
    const attributes = { value: model.id, selected: model.id === chosen, title: about };
    return h("option", attributes, `${model.id}${failed}`);
  };
  const group = (label, members) =>
    members.length > 0 && h("optgroup", { label }, members.map(option));
  return [
    none !== null && h("option", { value: "", selected: !chosen }, none),
    group("Compositions", models.filter(isComposition)),
    group("Experts", models.filter((model) => !isComposition(model))),
  ];
}

/** A labelled field to choose a model. */
export function picker(id, label, models, chosen, none = null) {
  const select = h("select", { id, name: id }, options(models, chosen, none));
  return { select, field: h("div", { class: "field" }, h("label", { for: id }, label), select) };
}
