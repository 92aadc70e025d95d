// How fast one answer came.

export class Stopwatch {
  #started = performance.now();
  #first = 0;
  #last = 0;
  #events = 0;
  #counted = 0;

  /** One event with text has come. */
  token() {
    this.#last = performance.now();
    this.#first ||= this.#last;
    this.#events += 1;
  }

  /** @param {unknown} tokens what the engine says it wrote, once it says so */
  count(tokens) {
    if (typeof tokens === "number") this.#counted = tokens;
  }

  /** "first token 0.42 s · 48 tokens · 31.2 tokens/s", or "" before the first token. */
  toString() {
    if (!this.#first) return "";
    const tokens = this.#counted || this.#events;
    const parts = [`first token ${seconds(this.#first - this.#started)}`, `${tokens} token${tokens === 1 ? "" : "s"}`];
    const span = (this.#last - this.#first) / 1000;
    if (tokens > 1 && span > 0) parts.push(`${((tokens - 1) / span).toFixed(1)} tokens/s`);
    return parts.join(" · ");
  }
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
}
