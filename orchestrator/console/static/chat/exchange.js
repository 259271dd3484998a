/** One question to one model: the request, its stream, and what the service tells of it. */

import { randomId } from "./conversations.js";

/** Answers are kept up to this length; what is longer is cut when it is kept, never on the page. */
const MOST_KEPT = 100_000;
/** The record of a request is there when the request is over, a moment after its last byte. */
const RECORD_AFTER_MS = [20, 100, 400, 1500];

/** An answer that has not begun. */
export function newAnswer(model) {
  const empty = { text: "", reasoning: "", note: "", headers: {}, tokens: [] };
  return { key: randomId(), model, state: "waiting", ...empty };
}

/** What is kept of an answer; one that is kept while it comes is `left` for whoever reads it. */
export function keptAnswer(answer) {
  const { note, ...kept } = answer;
  if (kept.state === "running" || kept.state === "waiting") kept.state = "left";
  if (answer.text.length <= MOST_KEPT) return kept;
  return { ...kept, text: answer.text.slice(0, MOST_KEPT), tokens: [], cut: true };
}

/** Asks, and fills `answer` as the stream comes; `changed` is called after each piece. */
export async function exchange(api, answer, messages, settings, { signal, changed }) {
  const started = performance.now();
  const body = {
    model: answer.model,
    messages,
    stream: true,
    ...settings,
    coterie: { explain: true, tokens: "auto" },
  };
  const headed = (response) => {
    answer.headers = Object.fromEntries(response.headers);
    answer.id = answer.headers["x-request-id"];
  };
  answer.state = "running";
  changed();
  try {
    const stream = api.stream("/v1/chat/completions", { body, signal, started: headed });
    for await (const event of stream) {
      if (event.comment !== undefined) comment(answer, event.comment);
      else if (event.data !== "[DONE]") chunk(answer, parsed(event.data), started);
      changed();
    }
    answer.state = "done";
  } catch (error) {
    answer.state = signal.aborted ? "stopped" : "failed";
    if (!signal.aborted) answer.error = faultOf(error);
  }
  answer.note = "";
  answer.totalMs = performance.now() - started;
}

/** What went wrong: the service's words, its code, and the status where it refused at once. */
function faultOf({ message, code, status, id }) {
  return { message, code: code ?? null, status: status ?? null, id: id ?? null };
}

/** A comment says what the answer waits for, or is a header that was not known earlier. */
function comment(answer, words) {
  for (const line of words.split("\n")) {
    const header = /^(x-coterie-[\w-]+|age) (.*)$/.exec(line);
    if (header) answer.headers[header[1]] = header[2];
    else answer.note = line;
  }
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Error("The service sent a piece of the answer that cannot be read.");
  }
}

/** What one event of the stream adds. */
function chunk(answer, data, started) {
  if (data.error) {
    throw Object.assign(new Error(data.error.message), { code: data.error.code });
  }
  if (data.coterie) answer.told = data.coterie;
  if (data.usage) answer.usage = data.usage;
  const choice = data.choices?.[0];
  if (!choice) return;
  const delta = choice.delta ?? {};
  const piece = delta.content ?? "";
  const thought = delta.reasoning_content ?? delta.reasoning ?? "";
  if (piece || thought) answer.firstMs ??= performance.now() - started;
  answer.text += piece;
  answer.reasoning += thought;
  if (choice.coterie?.texts) {
    const { texts, experts, attention } = choice.coterie;
    texts.forEach((text, at) => {
      answer.tokens.push({ text, expert: experts?.[at], attention: attention?.[at] });
    });
  }
  if (choice.finish_reason) answer.finish = choice.finish_reason;
}

/** What happened to a request; null where the service does not remember it. */
export async function recordOf(api, id) {
  for (const wait of RECORD_AFTER_MS) {
    await new Promise((done) => setTimeout(done, wait));
    try {
      return await api.json(`/coterie/requests/${encodeURIComponent(id)}`);
    } catch (error) {
      if (error.status !== 404) return null;
    }
  }
  return null;
}
