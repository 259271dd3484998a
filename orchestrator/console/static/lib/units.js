/** Memory, rates and moments as people read them. */

import { duration } from "./format.js";

/** Seconds, as a duration. */
export function seconds(value) {
  return duration(1000 * value);
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

/** The time of day of a moment in seconds since 1970. */
export function timeOfDay(at) {
  return new Date(1000 * at).toLocaleTimeString();
}
