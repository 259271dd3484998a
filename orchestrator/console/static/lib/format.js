/** Numbers and times as people read them. */

/** Seconds, short: `0.35 s`, `12 s`, `3 min`. */
export function seconds(value) {
  if (value < 10) return `${value.toFixed(value < 1 ? 2 : 1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  return `${Math.round(value / 60)} min`;
}

/** Memory in GB. */
export function gigabytes(value) {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} GB`;
}

/** A rate per second, with as many digits as it deserves. */
export function rate(value) {
  if (value === 0) return "0";
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

/** A share as a percentage. */
export function percent(value) {
  return `${(100 * value).toFixed(1)} %`;
}

/** Milliseconds, or a dash where nothing is known. */
export function milliseconds(value) {
  return value === undefined || value === null ? "–" : `${Math.round(value)} ms`;
}

/** The time of day of a moment in seconds since 1970. */
export function timeOfDay(at) {
  return new Date(1000 * at).toLocaleTimeString();
}

/** `1 question`, `2 questions`. */
export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
