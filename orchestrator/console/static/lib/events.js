/** Reads a stream of server-sent events, with the comments between them. */

/** Yields `{data}` for each event and `{comment}` for each comment of a response's body. */
export async function* eventsOf(body) {
  const parser = new EventParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield* parser.push(value);
    }
  } finally {
    // Also where nobody wants the rest: the service then aborts the generation.
    reader.cancel().catch(() => {});
  }
}

/** The pieces of a stream, which may end anywhere, put together again. */
export class EventParser {
  #rest = "";
  #data = [];

  /** What one more piece completes. */
  *push(piece) {
    // A piece may end between the two characters of a line's end.
    const text = this.#rest + piece;
    const held = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, held).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() + text.slice(held);
    for (const line of lines) {
      if (line === "" && this.#data.length) {
        yield { data: this.#data.join("\n") };
        this.#data = [];
      } else if (line.startsWith(":")) {
        yield { comment: line.slice(1).trim() };
      } else if (line.startsWith("data:")) {
        this.#data.push(line.slice(5).replace(/^ /, ""));
      }
    }
  }
}
