/**
 * Who is signed in.
 *
 * The key lies in `sessionStorage`: it outlives a reload of this tab, and neither the tab nor a
 * look into another one. A cookie would be sent along by the browser itself, which other pages
 * could make it do; `localStorage` would keep the key on the disk for whoever sits down next.
 */

const NAME = "coterie.key";

/** The API key of this tab; null where none is needed or none was given. */
export function currentKey() {
  return sessionStorage.getItem(NAME);
}

export function keep(key) {
  sessionStorage.setItem(NAME, key);
}

export function forget() {
  sessionStorage.removeItem(NAME);
}
