// The API key: asked for when the proxy wants one, kept for this tab's session.

const STORED_AS = "roundhouse-key";

export class Keys {
  /** Why a key is wanted, or "" while none is. */
  wanted = "";
  /** How often it was asked for. */
  round = 0;
  /** @type {((given: boolean) => void)[]} */
  #asking = [];
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.current = recalled();
  }

  /** @type {() => void} */
  #onChange;

  /**
   * Asks the person once, however many requests want a key. True when one was given.
   * @param {string} reason
   * @returns {Promise<boolean>}
   */
  ask(reason) {
    if (!this.wanted) this.round += 1;
    this.wanted = reason;
    this.#onChange();
    return new Promise((resolve) => this.#asking.push(resolve));
  }

  /** @param {string} key "" when the person would not give one */
  answer(key) {
    if (key) this.current = remembered(key);
    this.wanted = "";
    for (const resolve of this.#asking.splice(0)) resolve(key !== "");
    if (key) for (const resolve of this.#waiting.splice(0)) resolve();
    this.#onChange();
  }

  /** @returns {Promise<void>} resolved when the next key is given */
  changed() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

// A browser that stores nothing for us refuses by throwing: the key then lives as long as the page.

function recalled() {
  try {
    return sessionStorage.getItem(STORED_AS) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} key */
function remembered(key) {
  try {
    sessionStorage.setItem(STORED_AS, key);
  } catch {
    return key;
  }
  return key;
}
