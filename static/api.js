// The proxy's HTTP API, always on the page's own origin and path.

import { serverEvents } from "./sse.js";

/** @typedef {import("./keys.js").Keys} Keys */

/** A request that was refused, broken or not answered: the cause in words, and the error object's fields. */
export class ApiFailure extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, code?: string, origin?: string}} [fields] status 0: no answer at all
   */
  constructor(message, { status = 0, code = "", origin = "" } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.origin = origin;
  }
}

export class Api {
  /** @param {Keys} keys */
  constructor(keys) {
    this.keys = keys;
  }

  /**
   * The answer's JSON document.
   * @param {string} path relative to the page
   * @returns {Promise<any>}
   */
  async json(path) {
    const response = await this.#answered(path, {});
    return response.json().catch(() => Promise.reject(new ApiFailure(`${path} was not answered with JSON.`)));
  }

  /**
   * The events of a stream, comments included.
   * @param {string} path relative to the page
   * @param {RequestInit} init
   */
  async *stream(path, init) {
    const response = await this.#answered(path, { ...init, cache: "no-store" });
    if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
      throw new ApiFailure(`${path} was not answered with a stream of events.`, { status: response.status });
    }
    try {
      yield* serverEvents(response.body);
    } catch (error) {
      throw asFailure(error, "The connection broke before the answer was complete.");
    }
  }

  /**
   * An answer that is not an error. Where a key is wanted, people are asked for it and the request is sent again.
   * @param {string} path
   * @param {RequestInit} init
   * @returns {Promise<Response>}
   */
  async #answered(path, init) {
    const key = this.keys.current;
    const response = await this.#sent(path, init, key);
    if (response.ok) return response;
    const failure = await failureOf(response);
    if (response.status !== 401) throw failure;
    const changed = key !== this.keys.current || (await this.keys.ask(failure.message));
    if (!changed) throw failure;
    return this.#answered(path, init);
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   * @param {string} key
   */
  #sent(path, init, key) {
    const headers = new Headers(init.headers);
    if (key) headers.set("authorization", `Bearer ${key}`);
    return fetch(path, { ...init, headers }).catch((error) => {
      throw asFailure(error, `The proxy does not answer at ${location.origin}.`);
    });
  }
}

/**
 * The browser's own errors in our words. An abort stays what it is: somebody here asked for it.
 * @param {unknown} error
 * @param {string} message
 */
function asFailure(error, message) {
  if (error instanceof RangeError) return new ApiFailure(`The answer cannot be read: ${error.message}.`);
  return error instanceof TypeError ? new ApiFailure(message, { code: "unreachable" }) : error;
}

/** @param {Response} response */
async function failureOf(response) {
  const { status } = response;
  const document = await response.json().catch(() => null);
  return failureFrom(document?.error, status) ?? new ApiFailure(`The proxy answered with status ${status}.`, { status });
}

/**
 * The OpenAI error object as a failure, or null where it is none.
 * @param {any} error
 * @param {number} [status]
 */
export function failureFrom(error, status = 0) {
  if (typeof error?.message !== "string") return null;
  return new ApiFailure(error.message, { status, code: String(error.code ?? ""), origin: String(error.origin ?? "") });
}

/**
 * The JSON document that an event's data is.
 * @param {string} data
 * @returns {any}
 */
export function documentOf(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    throw new ApiFailure(`The answer holds an event that is not JSON: ${data.slice(0, 200)}`);
  }
}
