/** The pages of the console, in the order of the navigation; each is loaded when it is opened. */

export const PAGES = [
  { name: "chat", title: "Chat", load: () => import("./chat.js") },
  { name: "pool", title: "Pool", load: () => import("./pool.js") },
  { name: "routing", title: "Routing", load: () => import("./routing.js") },
  { name: "add", title: "Add an expert", load: () => import("./add.js") },
  { name: "batches", title: "Batches", load: () => import("./batches.js") },
  { name: "evaluations", title: "Evaluations", load: () => import("./evaluations.js") },
];
