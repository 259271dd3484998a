/** Keeps the end of a growing answer in sight, unless the reader has scrolled away from it. */

const GAP = 12;

export class Follower {
  #composer;
  #following = false;
  #at = 0;
  #end = null;

  /** `composer` lies over the end of the page: what is behind it is not seen. */
  constructor(composer, signal) {
    this.#composer = composer;
    addEventListener("scroll", () => this.#scrolled(), { signal, passive: true });
    const sized = new ResizeObserver(() => {
      document.documentElement.style.setProperty("--composer", `${composer.offsetHeight}px`);
    });
    sized.observe(composer);
    signal.addEventListener("abort", () => sized.disconnect());
  }

  /** A new question goes to the top, and the page follows its answers. */
  begin(turn) {
    this.#following = true;
    this.#end = null;
    turn.scrollIntoView({ block: "start", behavior: "instant" });
    this.#at = scrollY;
  }

  /** Something was added to a node. */
  grown(node) {
    this.#end = node;
    const over = this.#hidden();
    if (!this.#following || over <= 0) return;
    scrollBy({ top: over, behavior: "instant" });
    this.#at = scrollY;
  }

  /** How much of the growing answer lies behind the composer, or below. */
  #hidden() {
    const { bottom } = this.#end.getBoundingClientRect();
    return bottom + GAP - this.#composer.getBoundingClientRect().top;
  }

  /** Up is away from the answer; whoever is at its end again follows it again. */
  #scrolled() {
    const up = scrollY < this.#at - 2;
    this.#at = scrollY;
    if (this.#end === null || !this.#end.isConnected) return;
    if (up) this.#following = false;
    else if (this.#hidden() <= GAP) this.#following = true;
  }
}
