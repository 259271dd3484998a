/** One colour for each expert, the same on every page and in every answer. */

const HUES = 10;
const known = new Map();

let learned = false;

/** Asks once for the experts: in the order in which the service lists them, on whatever page. */
export async function learnColours(api, signal) {
  if (learned) return;
  const { data } = await api.json("/v1/models", { signal });
  introduce(data.filter(({ metadata }) => metadata.type !== "composition").map(({ id }) => id));
  learned = true;
}

/** Gives the experts of the pool their colours, in this order. */
function introduce(names) {
  for (const name of names) if (!known.has(name)) known.set(name, known.size % HUES);
}

/** Colours a node for an expert: `style.css` makes marks and fills of `--hue`. */
export function coloured(node, name) {
  introduce([name]);
  node.style.setProperty("--hue", `var(--hue-${known.get(name)})`);
  return node;
}
