// The conversation: what was asked, what came back, and how each exchange ended.

import { ApiFailure } from "./api.js";
import { painted } from "./pictures.js";
import { joined } from "./pieces.js";
import { Stopwatch } from "./stopwatch.js";
import { talked } from "./talk.js";

/**
 * @typedef {object} Exchange one question and its answer; replaced, never changed, so that views can compare it
 * @property {number} id
 * @property {string} model
 * @property {string} question
 * @property {"text" | "picture"} kind of answer
 * @property {readonly import("./pictures.js").Sent[]} sent pictures that went along
 * @property {string[]} answer pieces of the text, see pieces.js
 * @property {string} progress what the proxy says while the model is not ready
 * @property {{step: number, steps: number} | null} step of a picture that is being made
 * @property {import("./pictures.js").Picture | null} preview
 * @property {readonly import("./pictures.js").Picture[]} pictures
 * @property {"waiting" | "streaming" | "done" | "cut" | "stopped" | "failed"} outcome cut: at the token limit
 * @property {ApiFailure | null} failure
 */

/** @typedef {(exchange: Exchange) => Partial<Exchange>} Change */

/** @type {Omit<Exchange, "id" | "model" | "question">} */
const NEW = {
  kind: "text",
  sent: [],
  answer: [],
  progress: "",
  step: null,
  preview: null,
  pictures: [],
  outcome: "waiting",
  failure: null,
};

export class Chat {
  /** @type {Exchange[]} */
  exchanges = [];
  stopwatch = new Stopwatch();
  #lastId = 0;
  /** @type {AbortController | null} */
  #running = null;
  #api;
  #onChange;

  /**
   * @param {import("./api.js").Api} api
   * @param {() => void} onChange
   */
  constructor(api, onChange) {
    this.#api = api;
    this.#onChange = onChange;
  }

  get busy() {
    return this.#running !== null;
  }

  /**
   * Asks for an answer in words.
   * @param {string} model
   * @param {string} question
   */
  ask(model, question) {
    const messages = [...this.#history(), { role: "user", content: question }];
    return this.#run({ model, question }, (stopwatch, signal) => talked(this.#api, { model, messages }, stopwatch, signal));
  }

  /**
   * Asks for a picture, made from the pictures that go along if there are any.
   * @param {string} model
   * @param {string} prompt
   * @param {readonly import("./pictures.js").Sent[]} sent
   */
  paint(model, prompt, sent) {
    const exchange = { model, question: prompt, kind: /** @type {const} */ ("picture"), sent };
    return this.#run(exchange, (_, signal) => painted(this.#api, { model, prompt, sent }, signal));
  }

  /**
   * Asks the last question again, in the place of the exchange that failed.
   * @param {string} model
   */
  again(model) {
    const last = this.exchanges.at(-1);
    if (!last || this.busy) return;
    this.exchanges = this.exchanges.slice(0, -1);
    if (last.kind === "picture") this.paint(model, last.question, last.sent);
    else this.ask(model, last.question);
  }

  stop() {
    this.#running?.abort();
  }

  clear() {
    this.stop();
    for (const { sent, pictures } of this.exchanges) for (const { url } of [...sent, ...pictures]) URL.revokeObjectURL(url);
    this.exchanges = [];
    this.stopwatch = new Stopwatch();
    this.#onChange();
  }

  /** The turns that got an answer, in full or in part: many chat templates refuse two questions in a row. */
  #history() {
    return this.exchanges
      .filter((exchange) => exchange.answer.length > 0)
      .flatMap(({ question, answer }) => [
        { role: "user", content: question },
        { role: "assistant", content: joined(answer) },
      ]);
  }

  /**
   * Keeps the exchange up to date until it is over. Never throws: a failure belongs to its exchange.
   * @param {Partial<Exchange> & {model: string, question: string}} begun
   * @param {(stopwatch: Stopwatch, signal: AbortSignal) => AsyncIterable<Change>} answering
   */
  async #run(begun, answering) {
    const id = (this.#lastId += 1);
    const running = (this.#running = new AbortController());
    const stopwatch = (this.stopwatch = new Stopwatch());
    this.#add({ ...NEW, ...begun, id });
    try {
      for await (const change of answering(stopwatch, running.signal)) this.#change(id, change);
      this.#finish(id);
    } catch (error) {
      this.#end(id, error, running.signal);
    }
    if (this.#running === running) this.#running = null;
    this.#onChange();
  }

  /** @param {number} id */
  #finish(id) {
    this.#change(id, ({ outcome }) => ({ outcome: outcome === "cut" ? "cut" : "done" }));
  }

  /**
   * @param {number} id
   * @param {unknown} error
   * @param {AbortSignal} signal
   */
  #end(id, error, signal) {
    if (signal.aborted) return this.#change(id, () => ({ outcome: "stopped" }));
    const failure = error instanceof ApiFailure ? error : new ApiFailure(`The page failed: ${error}`);
    this.#change(id, () => ({ outcome: "failed", failure }));
  }

  /** @param {Exchange} exchange */
  #add(exchange) {
    this.exchanges = [...this.exchanges, exchange];
    this.#onChange();
  }

  /**
   * A cleared exchange is gone: what still comes for it changes nothing.
   * @param {number} id
   * @param {Change} change
   */
  #change(id, change) {
    const index = this.exchanges.findLastIndex((exchange) => exchange.id === id);
    const exchange = this.exchanges[index];
    if (!exchange) return;
    this.exchanges = this.exchanges.with(index, { ...exchange, ...change(exchange) });
    this.#onChange();
  }
}
