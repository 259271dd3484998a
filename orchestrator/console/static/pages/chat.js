/** Chat: conversations with any model or composition, and beside each answer why it is so. */

import { Chat } from "../chat/chat.js";
import { chatModels, sameModels } from "../chat/models.js";
import { pause } from "../lib/wait.js";

const LOOK_MS = 10_000;

export async function render(root, { api, path, signal, say, go, talks }) {
  let models = await chatModels(api, signal);
  const chat = new Chat(models, { signal, say, go, talks });
  root.append(chat.node);
  // Whoever comes back from another page finds what they left; its answers went on.
  const id = path[0] ?? talks.current;
  chat.open(id);
  if (!path[0] && id !== null) history.replaceState(null, "", `#/chat/${id}`);
  // Experts come and go while the page is open.
  for (;;) {
    await pause(LOOK_MS, signal);
    if (signal.aborted) return;
    if (document.hidden) continue;
    // Of a service that is away the banner tells.
    const now = await chatModels(api, signal).catch(() => models);
    if (signal.aborted) return;
    if (!sameModels(models, now)) chat.offer(now);
    models = now;
  }
}
