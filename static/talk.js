// A question in words to a model of text, and its answer as it comes.

import { ApiFailure, documentOf, failureFrom } from "./api.js";
import { grown } from "./pieces.js";

/** @typedef {import("./chat.js").Change} Change */

/**
 * What becomes of the exchange, event by event. Throws ApiFailure.
 * @param {import("./api.js").Api} api
 * @param {{model: string, messages: object[]}} question
 * @param {import("./stopwatch.js").Stopwatch} stopwatch
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Change, void, void>}
 */
export async function* talked(api, question, stopwatch, signal) {
  const body = JSON.stringify({ ...question, stream: true, stream_options: { include_usage: true } });
  const headers = { "content-type": "application/json" };
  let complete = false;
  for await (const part of api.stream("v1/chat/completions", { method: "POST", headers, body, signal })) {
    if (complete) continue; // read on to the end: to leave now would look like a client that has gone away
    if ("comment" in part) yield () => ({ progress: part.comment });
    else if (part.data === "[DONE]") complete = true;
    else yield* changes(documentOf(part.data), stopwatch);
  }
  if (!complete) throw new ApiFailure("The connection closed before the answer was complete.");
}

/**
 * @param {any} chunk
 * @param {import("./stopwatch.js").Stopwatch} stopwatch
 * @returns {Generator<Change, void, void>}
 */
function* changes(chunk, stopwatch) {
  const failure = failureFrom(chunk.error);
  if (failure) throw failure;
  stopwatch.count(chunk.usage?.completion_tokens);
  const [choice] = Array.isArray(chunk.choices) ? chunk.choices : [];
  const text = choice?.delta?.content;
  if (typeof text === "string" && text) {
    stopwatch.token();
    yield ({ answer }) => ({ answer: grown(answer, text), outcome: "streaming" });
  }
  if (choice?.finish_reason === "length") yield () => ({ outcome: "cut" });
}
