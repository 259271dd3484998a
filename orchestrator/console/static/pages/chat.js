/** Chat: conversations with any model or composition, and beside each answer why it is so. */

import { Chat } from "../chat/chat.js";
import { chatModels, isComposition } from "../chat/models.js";
import { introduce } from "../lib/palette.js";

export async function render(root, { api, path, signal, say, go }) {
  const models = await chatModels(api, signal);
  introduce(models.filter((model) => !isComposition(model)).map(({ id }) => id));
  const chat = new Chat(models, { api, signal, say, go });
  root.append(chat.node);
  chat.open(path[0] ?? null);
}
