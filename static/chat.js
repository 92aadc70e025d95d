// The conversation: what was asked, what came back, and how each exchange ended.

import { ApiFailure, failureFrom } from "./api.js";
import { grown, joined } from "./pieces.js";
import { Stopwatch } from "./stopwatch.js";

/**
 * @typedef {object} Exchange one question and its answer; replaced, never changed, so that views can compare it
 * @property {number} id
 * @property {string} model
 * @property {string} question
 * @property {string[]} answer pieces of the text, see pieces.js
 * @property {string} progress what the proxy says while the model is not ready
 * @property {"waiting" | "streaming" | "done" | "cut" | "stopped" | "failed"} outcome cut: at the token limit
 * @property {ApiFailure | null} failure
 */

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
   * Asks, and keeps the exchange up to date until it is over. Never throws: a failure belongs to its exchange.
   * @param {string} model
   * @param {string} question
   */
  async ask(model, question) {
    const messages = [...this.#history(), { role: "user", content: question }];
    const id = (this.#lastId += 1);
    const running = (this.#running = new AbortController());
    this.#add({ id, model, question, answer: [], progress: "", outcome: "waiting", failure: null });
    try {
      await this.#answer(id, { model, messages }, running.signal);
    } catch (error) {
      this.#end(id, error, running.signal);
    }
    if (this.#running === running) this.#running = null;
    this.#onChange();
  }

  /**
   * Asks the last question again, in the place of the exchange that failed.
   * @param {string} model
   */
  again(model) {
    const last = this.exchanges.at(-1);
    if (!last || this.busy) return;
    this.exchanges = this.exchanges.slice(0, -1);
    this.ask(model, last.question);
  }

  stop() {
    this.#running?.abort();
  }

  clear() {
    this.stop();
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
   * @param {number} id
   * @param {{model: string, messages: object[]}} question
   * @param {AbortSignal} signal
   */
  async #answer(id, question, signal) {
    const stopwatch = (this.stopwatch = new Stopwatch());
    const body = JSON.stringify({ ...question, stream: true, stream_options: { include_usage: true } });
    const headers = { "content-type": "application/json" };
    let complete = false;
    for await (const part of this.#api.stream("v1/chat/completions", { method: "POST", headers, body, signal })) {
      if (complete) continue; // read on to the end: to leave now would look like a client that has gone away
      if ("comment" in part) this.#change(id, () => ({ progress: part.comment }));
      else if (part.data === "[DONE]") complete = true;
      else this.#take(id, parsed(part.data), stopwatch);
    }
    if (!complete) throw new ApiFailure("The connection closed before the answer was complete.");
    this.#finish(id);
  }

  /**
   * @param {number} id
   * @param {any} chunk
   * @param {Stopwatch} stopwatch
   */
  #take(id, chunk, stopwatch) {
    const failure = failureFrom(chunk.error);
    if (failure) throw failure;
    stopwatch.count(chunk.usage?.completion_tokens);
    const [choice] = Array.isArray(chunk.choices) ? chunk.choices : [];
    const text = choice?.delta?.content;
    if (typeof text === "string" && text) {
      stopwatch.token();
      this.#change(id, ({ answer }) => ({ answer: grown(answer, text), outcome: "streaming" }));
    }
    if (choice?.finish_reason === "length") this.#change(id, () => ({ outcome: "cut" }));
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
   * @param {(exchange: Exchange) => Partial<Exchange>} change
   */
  #change(id, change) {
    const index = this.exchanges.findLastIndex((exchange) => exchange.id === id);
    const exchange = this.exchanges[index];
    if (!exchange) return;
    this.exchanges = this.exchanges.with(index, { ...exchange, ...change(exchange) });
    this.#onChange();
  }
}

/**
 * @param {string} data
 * @returns {any}
 */
function parsed(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    throw new ApiFailure(`The answer holds an event that is not JSON: ${data.slice(0, 200)}`);
  }
}
