/** Chat: conversations with any model or composition, and beside each answer why it is so. */

import { Chat } from "../chat/chat.js";
import { chatModels } from "../chat/models.js";

export async function render(root, { api, path, signal, say, go, talks }) {
  const models = await chatModels(api, signal);
  const chat = new Chat(models, { signal, say, go, talks });
  root.append(chat.node);
  // Whoever comes back from another page finds what they left; its answers went on.
  const id = path[0] ?? talks.current;
  chat.open(id);
  if (!path[0] && id !== null) history.replaceState(null, "", `#/chat/${id}`);
}
