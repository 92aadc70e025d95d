// Earlier inputs, as a shell recalls them.

export class History {
  /** @type {string[]} */
  #entries = [];
  #at = 0;
  #draft = "";

  /** @param {string} entry */
  add(entry) {
    if (this.#entries.at(-1) !== entry) this.#entries.push(entry);
    this.#at = this.#entries.length;
  }

  /**
   * The entry before, or null at the oldest. What was being written is kept.
   * @param {string} written
   */
  older(written) {
    if (this.#at === 0) return null;
    if (this.#at === this.#entries.length) this.#draft = written;
    this.#at -= 1;
    return this.#entries[this.#at];
  }

  /** The entry after, at last the draft, or null when nothing was recalled. */
  newer() {
    if (this.#at >= this.#entries.length) return null;
    this.#at += 1;
    return this.#entries[this.#at] ?? this.#draft;
  }
}
