/** Small pictures as SVG nodes: bars of parts, lines of the last values, lanes of time. */

import { svg } from "./dom.js";
import { coloured } from "./palette.js";

/**
 * A bar of `whole` units, filled with parts `{size, expert, title, faint}` from the left; a part
 * without an expert is grey, and a title is what a pointer that rests there reads.
 */
export function partsBar(whole, parts, label) {
  const width = 1000;
  const height = 34;
  const scale =
    width /
    Math.max(
      whole,
      parts.reduce((sum, part) => sum + part.size, 0),
      1e-9,
    );
  let left = 0;
  const drawn = parts.map(({ size, expert, title, faint }) => {
    const x = left;
    left += size * scale;
    const box = { x, y: 0, width: Math.max(size * scale - 2, 1), height };
    const kind = faint ? "faint" : "solid";
    const node = svg("rect", { ...box, class: kind }, svg("title", {}, title));
    return expert === null ? node : coloured(node, expert);
  });
  const frame = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" };
  return svg("svg", { ...frame, class: "parts", role: "img", "aria-label": label }, drawn);
}

/** The last values as a line with a filled foot; the highest value is the top. */
export function sparkline(values, label, most) {
  const width = 120;
  const height = 24;
  const top = Math.max(...values, most ?? 0, 1e-9);
  const step = width / Math.max(values.length - 1, 1);
  const points = values.map((value, n) => [n * step, height - 1 - (height - 3) * (value / top)]);
  const line = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  const shape = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" };
  return svg(
    "svg",
    { ...shape, class: "spark", role: "img", "aria-label": label },
    svg("polygon", { points: `0,${height} ${line} ${width},${height}`, class: "foot" }),
    svg("polyline", { points: line, class: "line" }),
  );
}

/**
 * Lanes `{name, spans: [{from, to, title, kind}]}` between two moments in seconds; `ticks` are
 * `{at, words}`. The names stand in the picture, so that it scrolls as one.
 */
export function lanes(from, to, rows, ticks, label) {
  const [named, width, lane, foot] = [150, 900, 26, 22];
  const at = (moment) =>
    named + (Math.min(Math.max(moment, from), to) - from) * (width / (to - from));
  const height = rows.length * lane + foot;
  const drawn = rows.flatMap(({ name, spans }, row) => {
    const y = row * lane;
    const boxes = spans.map(({ from: begin, to: end, title, kind }) => {
      const x = at(begin);
      const box = { x, y: y + 5, width: Math.max(at(end) - x, 3), height: lane - 10, rx: 3 };
      const node = svg("rect", { ...box, class: `span-${kind}` }, svg("title", {}, title));
      return coloured(node, name);
    });
    const words = name.length > 19 ? `${name.slice(0, 18)}…` : name;
    const text = svg("text", { x: named - 10, y: y + 17, class: "lane-name" }, words);
    return [
      svg("line", { x1: named, x2: named + width, y1: y + lane, y2: y + lane, class: "rule" }),
      text,
      boxes,
    ];
  });
  const marks = ticks.map(({ at: moment, words }) => [
    svg("line", { x1: at(moment), x2: at(moment), y1: 0, y2: height - foot, class: "rule" }),
    svg("text", { x: at(moment), y: height - 6, class: "tick" }, words),
  ]);
  const frame = { viewBox: `0 0 ${named + width + 40} ${height}` };
  return svg("svg", { ...frame, class: "lanes", role: "img", "aria-label": label }, marks, drawn);
}
