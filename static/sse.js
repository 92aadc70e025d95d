// Server-sent events from a response's body. EventSource can send neither a body nor a key, and it hides comments.

/** @typedef {{comment: string} | {event: string, data: string}} ServerEvent */

const LONGEST_LINE = 64 * 1024 * 1024; // a picture is one line

/**
 * Comments and events in the order in which they come. An event without its blank line at the end is dropped.
 * @param {ReadableStream<Uint8Array>} body bytes of UTF-8, cut anywhere
 * @returns {AsyncGenerator<ServerEvent, void, void>}
 */
export async function* serverEvents(body) {
  let event = "";
  /** @type {string[]} */
  let data = [];
  for await (const line of lines(body)) {
    const { field, value } = parsed(line);
    if (line === "" && data.length > 0) yield { event: event || "message", data: data.join("\n") };
    if (line === "") [event, data] = ["", []];
    else if (field === "") yield { comment: value };
    else if (field === "data") data.push(value);
    else if (field === "event") event = value;
  }
}

/** @param {string} line */
function parsed(line) {
  const colon = line.indexOf(":");
  if (colon < 0) return { field: line, value: "" };
  return { field: line.slice(0, colon), value: line.slice(colon + 1).replace(/^ /, "") };
}

/**
 * Whole lines; what follows the last line end is kept, in the pieces in which it came, until its end comes.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<string, void, void>}
 */
async function* lines(body) {
  /** @type {string[]} */
  let pieces = [];
  let size = 0;
  let half = ""; // a carriage return at the end of a chunk may be the first half of a line end
  for await (const text of texts(body)) {
    const [first = "", ...others] = (half + text).split(/\r\n|\n|\r(?!$)/);
    const last = others.pop();
    if (last !== undefined) yield pieces.join("") + first;
    yield* others;
    const rest = last ?? first;
    half = rest.endsWith("\r") ? "\r" : "";
    if (last !== undefined) [pieces, size] = [[], 0];
    pieces.push(half ? rest.slice(0, -1) : rest);
    size += rest.length;
    if (size > LONGEST_LINE) throw new RangeError(`a line of the stream is longer than ${LONGEST_LINE} characters`);
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<string, void, void>}
 */
async function* texts(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      yield decoder.decode(read.value, { stream: true });
    }
  } finally {
    reader.cancel().catch(() => {}); // already broken: there is nothing left to give back
  }
}
