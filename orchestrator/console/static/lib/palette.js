/** One colour for each expert, the same on every page and in every answer. */

const HUES = 10;
const known = new Map();

/** Gives the experts of the pool their colours, in this order. */
export function introduce(names) {
  for (const name of names) if (!known.has(name)) known.set(name, known.size % HUES);
}

/** Colours a node for an expert: `style.css` makes marks and fills of `--hue`. */
export function coloured(node, name) {
  introduce([name]);
  node.style.setProperty("--hue", `var(--hue-${known.get(name)})`);
  return node;
}
