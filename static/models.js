// What the page knows about the models, and about its own line to the proxy.

/**
 * @typedef {object} Model
 * @property {string} name
 * @property {string[]} types
 * @property {string[]} defaultFor
 * @property {string} state one of contract.states.ModelState
 * @property {string} phase
 * @property {string} reason
 * @property {string[]} logTail
 * @property {number} since when the state began, on performance.now()'s clock, in ms
 * @property {number | null} usualSeconds
 */

/** @typedef {{state: "connecting" | "live" | "listing" | "lost" | "locked", cause: string}} Link */

const MOVING = new Set(["queued", "fetching", "starting", "waking", "draining", "stopping", "sleeping"]);

/** States whose name alone would not say it. @type {Record<string, string>} */
const WORDS = {
  waking: "waking up",
  draining: "draining, finishing its last answers",
  sleeping: "going to sleep",
};

export class Board {
  /** @type {Map<string, Model>} */
  models = new Map();
  /** @type {Link} */
  link = { state: "connecting", cause: "" };
  #chosen = "";
  /** @type {() => void} */
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** The model that answers: the chosen one, or the first that suits. */
  get current() {
    const able = [...this.models.values()].filter(canAnswer);
    const talks = able.find((model) => model.defaultFor.includes("text")) ?? able.find(canChat);
    return this.models.get(this.#chosen) ?? talks ?? able[0] ?? null;
  }

  /**
   * The model for a type: the chosen one if it is of that type, or the first that suits.
   * @param {string} type
   */
  suited(type) {
    const able = [...this.models.values()].filter((model) => model.types.includes(type) && model.state !== "unavailable");
    if (this.current?.types.includes(type)) return this.current;
    return able.find((model) => model.defaultFor.includes(type)) ?? able[0] ?? null;
  }

  /** @param {string} name */
  choose(name) {
    this.#chosen = name;
    this.#onChange();
  }

  /** @param {any[]} list as in `/admin/events` or `/v1/models` */
  replaceAll(list) {
    const models = list.map((raw) => this.#parsed(raw));
    this.models = new Map(models.map((model) => [model.name, model]));
    this.#onChange();
  }

  /** @param {any} raw one ModelStatus */
  put(raw) {
    const model = this.#parsed(raw);
    this.models.set(model.name, model);
    this.#onChange();
  }

  /**
   * @param {Link["state"]} state
   * @param {string} [cause]
   */
  connect(state, cause = "") {
    if (state === this.link.state && cause === this.link.cause) return;
    this.link = { state, cause };
    this.#onChange();
  }

  /**
   * @param {any} raw
   * @returns {Model}
   */
  #parsed(raw) {
    const name = String(raw.name ?? raw.id);
    const before = this.models.get(name);
    const state = String(raw.state ?? "stopped");
    const sameState = before?.state === state ? before.since : performance.now();
    return {
      name,
      state,
      types: [raw.type ?? []].flat().map(String),
      defaultFor: [raw.default_for ?? []].flat().map(String),
      phase: String(raw.phase ?? ""),
      reason: String(raw.reason ?? ""),
      logTail: [raw.log_tail ?? []].flat().map(String),
      since: typeof raw.seconds === "number" ? performance.now() - raw.seconds * 1000 : sameState,
      usualSeconds: typeof raw.usual_seconds === "number" ? raw.usual_seconds : null,
    };
  }
}

/** @param {Model} model */
export function canChat(model) {
  return model.types.includes("text");
}

/** @param {Model} model */
export function canPaint(model) {
  return model.types.includes("image");
}

/** @param {Model} model */
export function canEdit(model) {
  return model.types.includes("edit");
}

/** Whether the page has a use for the model. @param {Model} model */
export function canAnswer(model) {
  return canChat(model) || canPaint(model) || canEdit(model);
}

/**
 * Whether the state will change by itself, so that its seconds are worth showing.
 * @param {Model} model
 */
export function isMoving(model) {
  return MOVING.has(model.state);
}

/**
 * State and phase in words, without the seconds: "starting, loading weights".
 * @param {Model} model
 */
export function wording(model) {
  const state = WORDS[model.state] ?? model.state;
  return model.phase && model.phase !== model.state ? `${state}, ${model.phase}` : state;
}

/**
 * How long the state has lasted: "12 s of about 45 s", and as a part of the usual time (0 to 1), if that is known.
 * @param {Model} model
 */
export function elapsed(model) {
  const seconds = Math.max(0, Math.round((performance.now() - model.since) / 1000));
  const usual = model.usualSeconds;
  if (!usual) return { text: `${seconds} s`, part: null };
  return { text: `${seconds} s of about ${Math.round(usual)} s`, part: Math.min(1, seconds / usual) };
}
