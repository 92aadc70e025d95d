// Keeps the board true: the proxy's event stream while it is there, its list of models where it is not.

import { ApiFailure } from "./api.js";

/** @typedef {import("./models.js").Board} Board */
/** @typedef {import("./api.js").Api} Api */

const SILENCE_MS = 16_000; // the stream carries a comment every 5 s: three missing ones are a dead line
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Runs as long as the page. A hidden tab holds no stream: a browser allows an origin six connections, over all its tabs.
 * @param {Board} board
 * @param {Api} api
 */
export async function watchModels(board, api) {
  for (let failures = 0; ; failures += 1) {
    await visible();
    const failure = await failureOf(follow(board, api));
    if (board.link.state === "live") failures = 0;
    if (failure?.status === 401) await unlocked(board, api, failure);
    else if (failure) await list(board, api, failure);
    await pause(Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS));
  }
}

/**
 * @param {Board} board
 * @param {Api} api
 */
async function follow(board, api) {
  const line = new AbortController();
  const hide = () => document.hidden && line.abort();
  const silent = () => line.abort(new ApiFailure("The proxy has fallen silent."));
  document.addEventListener("visibilitychange", hide);
  let silence = setTimeout(silent, SILENCE_MS);
  try {
    for await (const part of api.stream("admin/events", { signal: line.signal })) {
      clearTimeout(silence);
      silence = setTimeout(silent, SILENCE_MS);
      if ("data" in part) take(board, part.event, JSON.parse(part.data));
    }
  } finally {
    clearTimeout(silence);
    document.removeEventListener("visibilitychange", hide);
    line.abort();
  }
}

/**
 * @param {Board} board
 * @param {string} event
 * @param {any} data
 */
function take(board, event, data) {
  if (event === "model") board.put(data);
  if (event !== "models") return;
  board.replaceAll(data.models);
  board.connect("live");
}

/**
 * The plain list, for a key that may not see events and for a manager that is away.
 * @param {Board} board
 * @param {Api} api
 * @param {ApiFailure} events why there is no event stream
 */
async function list(board, api, events) {
  try {
    const models = await api.json("v1/models");
    board.replaceAll(models.data);
    board.connect("listing", [403, 404].includes(events.status) ? "" : events.message);
  } catch (error) {
    board.connect("lost", error instanceof ApiFailure ? error.message : `The models cannot be read: ${error}`);
  }
}

/**
 * The person gave no key: asking again by ourselves would only annoy.
 * @param {Board} board
 * @param {Api} api
 * @param {ApiFailure} failure
 */
function unlocked(board, api, failure) {
  board.connect("locked", failure.message);
  return api.keys.changed();
}

/**
 * What went wrong on the line, or null when it just ended: the proxy closed it, or the tab was hidden.
 * @param {Promise<void>} line
 * @returns {Promise<ApiFailure | null>}
 */
async function failureOf(line) {
  try {
    await line;
  } catch (error) {
    if (error instanceof ApiFailure) return error;
    return document.hidden ? null : new ApiFailure(`The models' events cannot be read: ${error}`);
  }
  return null;
}

/** @returns {Promise<void>} */
function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", () => resolve(visible()), { once: true });
  });
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
