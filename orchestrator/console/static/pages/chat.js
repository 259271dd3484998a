/** Chat with any model or composition. */

import { fill, h } from "../lib/dom.js";

export async function render(root, { api, signal }) {
  const models = (await api.json("/v1/models", { signal })).data;
  const able = models.filter((model) => model.capabilities.includes("chat"));
  const picker = h("select", { id: "model" }, able.map(({ id }) => h("option", {}, id)));
  const question = h("textarea", { id: "question", rows: 2, required: true });
  const answer = h("div", { class: "answer", "aria-live": "polite" });

  async function ask(event) {
    event.preventDefault();
    const messages = [{ role: "user", content: question.value }];
    const body = { model: picker.value, messages, stream: true, coterie: { explain: true } };
    fill(answer);
    for await (const { data, comment } of api.stream("/v1/chat/completions", { body, signal })) {
      if (comment) answer.title = comment;
      if (!data || data === "[DONE]") continue;
      answer.append(JSON.parse(data).choices[0]?.delta?.content ?? "");
    }
  }

  fill(
    root,
    h("h1", {}, "Chat"),
    h(
      "form",
      { onsubmit: ask },
      h("label", { for: "model" }, "Model"),
      picker,
      h("label", { for: "question" }, "Question"),
      question,
      h("button", { type: "submit", class: "primary" }, "Send"),
    ),
    answer,
  );
}
