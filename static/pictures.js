// A prompt to a model of pictures, and the picture as it comes: steps, previews, the picture itself.

import { ApiFailure, documentOf, failureFrom } from "./api.js";

/** @typedef {import("./chat.js").Change} Change */

/**
 * @typedef {object} Picture
 * @property {string} url
 * @property {string} name as a file
 * @property {number} width in its own pixels, 0 where the engine does not tell; so is height
 * @property {number} height
 * @property {string} facts what it was made with, in words
 */

/** @typedef {{file: File, url: string}} Sent a picture of the person's own */

/** @typedef {{model: string, prompt: string, sent: readonly Sent[]}} Wish */

const PREVIEWS = 2;
const IDLE = /^(keep-?alive|ping)?$/i; // an engine's comments that say nothing but that it lives
const SHOWN_AT_LEAST = 256; // CSS pixels: a small model's picture would be a stamp
/** @type {Record<string, string>} */
const TYPES = { png: "image/png", jpeg: "image/jpeg", webp: "image/webp" };

/**
 * What becomes of the exchange, event by event. Throws ApiFailure.
 * @param {import("./api.js").Api} api
 * @param {Wish} wish
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Change, void, void>}
 */
export async function* painted(api, wish, signal) {
  const path = wish.sent.length > 0 ? "v1/images/edits" : "v1/images/generations";
  let [begun, complete] = [false, false];
  for await (const part of api.stream(path, { method: "POST", ...bodyOf(wish), signal })) {
    if ("comment" in part) {
      if (!begun && !IDLE.test(part.comment)) yield () => ({ progress: part.comment });
      continue;
    }
    if (part.data === "[DONE]") continue;
    begun = true;
    const event = documentOf(part.data);
    complete ||= stageOf(event) === "completed";
    yield changeOf(event, wish.model);
  }
  if (!complete) throw new ApiFailure("The connection closed before the picture was complete.");
}

/**
 * JSON, or a form where a picture goes along.
 * @param {Wish} wish
 * @returns {RequestInit}
 */
function bodyOf({ model, prompt, sent }) {
  const fields = { model, prompt, stream: true, progress: true, partial_images: PREVIEWS };
  if (sent.length === 0) return { headers: { "content-type": "application/json" }, body: JSON.stringify(fields) };
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
  for (const { file } of sent) form.append(sent.length > 1 ? "image[]" : "image", file);
  return { body: form };
}

/** "image_edit.completed" -> "completed" @param {any} event */
function stageOf(event) {
  return String(event.type).split(".")[1];
}

/**
 * @param {any} event
 * @param {string} model
 * @returns {Change}
 */
function changeOf(event, model) {
  const failure = failureFrom(event.error);
  if (failure) throw failure;
  const stage = stageOf(event);
  if (stage === "progress") {
    const { step, steps } = event;
    return () => ({ outcome: "streaming", step: { step: Number(step), steps: Number(steps) } });
  }
  if (stage === "partial_image") {
    const preview = { ...described(event, model), url: `data:${typeOf(event)};base64,${event.b64_json}` };
    return () => ({ outcome: "streaming", preview });
  }
  if (stage !== "completed") return () => ({});
  const picture = { ...described(event, model), url: URL.createObjectURL(new Blob([bytesOf(event)], { type: typeOf(event) })) };
  return ({ pictures }) => ({ outcome: "streaming", step: null, preview: null, pictures: [...pictures, picture] });
}

/**
 * @param {any} event
 * @param {string} model
 */
function described(event, model) {
  const size = /^(\d+)x(\d+)$/.exec(String(event.size));
  const steps = event.num_inference_steps ?? event.steps;
  const facts = [
    event.seed !== undefined && `seed ${event.seed}`,
    steps !== undefined && `${steps} step${steps === 1 ? "" : "s"}`,
    size && `${size[1]}×${size[2]}`,
  ];
  const name = [model, event.seed].filter((part) => part !== undefined).join("-");
  const [width, height] = [Number(size?.[1] ?? 0), Number(size?.[2] ?? 0)];
  return { name: `${name}.${event.output_format ?? "png"}`, width, height, facts: facts.filter(Boolean).join(" · ") };
}

/** @param {any} event */
function typeOf(event) {
  const type = TYPES[event.output_format ?? "png"];
  if (!type) throw new ApiFailure(`The picture comes as ${event.output_format}, which the page does not show.`);
  return type;
}

/** @param {any} event */
function bytesOf(event) {
  let text = "";
  try {
    text = atob(event.b64_json);
  } catch {
    throw new ApiFailure("The picture is not what it says it is: its base64 cannot be read.");
  }
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/**
 * How many times its size a picture is drawn: once, or more where it is small.
 * @param {Picture} picture
 */
export function scaleOf({ width }) {
  return width > 0 && width < SHOWN_AT_LEAST ? Math.ceil(SHOWN_AT_LEAST / width) : 1;
}
