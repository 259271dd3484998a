/** The lines of an expert in the configuration's file, from what a form holds. */

export const FIELDS = [
  { key: "name", title: "Name", example: "law" },
  { key: "model", title: "Model: a folder, or a hub id", example: "acme/law-7b" },
  { key: "base_url", title: "Base URL of its server", example: "ends with /v1" },
  { key: "adapter_of", title: "Adapter of: the expert that it is a LoRA adapter on", example: "" },
  {
    key: "about",
    title: "What it is good at, in a sentence",
    example: "answers questions on contracts",
  },
  { key: "price_usd_per_mtok", title: "Price of a million tokens, in USD", example: "" },
  { key: "memory_gb", title: "Memory in GB, where it should not be derived", example: "" },
];

export const TYPES = {
  vllm: {
    title: "vLLM in a slot of ours",
    fields: ["name", "model", "adapter_of", "about", "price_usd_per_mtok", "memory_gb"],
  },
  openai: {
    title: "A server that speaks OpenAI's protocol",
    fields: ["name", "base_url", "model", "about", "price_usd_per_mtok"],
  },
};

const NUMBERS = new Set(["price_usd_per_mtok", "memory_gb"]);
const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./-]*$/;
const WORDS = new Set(["true", "false", "null", "yes", "no", "on", "off", "y", "n"]);

/** The keys that are given, in the order of the form. */
export function keysOf(type, given) {
  const keys = FIELDS.map(({ key }) => key).filter((key) => key !== "name" && given[key]);
  return { type, ...Object.fromEntries(keys.map((key) => [key, given[key]])) };
}

/** The lines as people write them. */
export function yamlOf(name, keys) {
  const lines = Object.entries(keys).map(([key, value]) => `    ${key}: ${written(key, value)}`);
  return ["experts:", `  ${name}:`, ...lines, ""].join("\n");
}

/** A value, in quotes where YAML would read something else. */
function written(key, value) {
  if (NUMBERS.has(key) && Number.isFinite(Number(value))) return value;
  if (PLAIN.test(value) && !WORDS.has(value.toLowerCase())) return value;
  return JSON.stringify(value);
}
