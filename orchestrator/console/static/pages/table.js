/** The pages of the console, in the order of the navigation; each is loaded when it is opened. */

export const PAGES = [
  { name: "chat", title: "Chat", load: () => import("./chat.js") },
];
