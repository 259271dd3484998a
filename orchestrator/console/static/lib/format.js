/** Numbers as people read them. */

/** Milliseconds: `0.4 ms`, `87 ms`, `2.1 s`, `3 min 5 s`. */
export function duration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** A share of one: `97 %`. */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** A count with its noun: `1 token`, `3 tokens`. */
export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** A sentence's beginning. */
export function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
