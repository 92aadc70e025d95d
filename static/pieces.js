// A long answer as pieces of whole lines, so that a token redraws the last piece and not the whole text.

const FULL = 2_000; // characters

/**
 * The pieces with more text at their end. Earlier pieces stay the same strings; a line end between two pieces is implied.
 * @param {string[]} pieces
 * @param {string} text
 */
export function grown(pieces, text) {
  const next = pieces.slice(0, -1);
  let last = (pieces.at(-1) ?? "") + text;
  for (let end = last.indexOf("\n", FULL); end >= 0; end = last.indexOf("\n", FULL)) {
    next.push(last.slice(0, end));
    last = last.slice(end + 1);
  }
  next.push(last);
  return next;
}

/**
 * The text that the pieces were grown from.
 * @param {string[]} pieces
 */
export function joined(pieces) {
  return pieces.join("\n");
}
