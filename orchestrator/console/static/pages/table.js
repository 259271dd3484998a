/**
 * The pages of the console, in the order of the navigation.
 *
 * All are loaded at the start: a page that is opened while the service is down can say so then.
 */

import { render as add } from "./add.js";
import { render as batches } from "./batches.js";
import { render as chat } from "./chat.js";
import { render as evaluations } from "./evaluations.js";
import { render as pool } from "./pool.js";
import { render as routing } from "./routing.js";

export const PAGES = [
  { name: "chat", title: "Chat", render: chat },
  { name: "pool", title: "Pool", render: pool },
  { name: "routing", title: "Routing", render: routing },
  { name: "add", title: "Add an expert", render: add },
  { name: "batches", title: "Batches", render: batches },
  { name: "evaluations", title: "Evaluations", render: evaluations },
];
