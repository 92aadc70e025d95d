// What is entered with a slash: a command to the page, not a question to the model.

/** @typedef {import("./app.js").App} App */

/** @type {Record<string, {argument?: string, help: string, run: (app: App, rest: string) => string}>} each returns what went wrong, or "" */
export const COMMANDS = {
  clear: { help: "forget this conversation", run: clear },
  help: { help: "show keys and commands", run: help },
  image: { argument: "PROMPT", help: "make a picture", run: paint },
  model: { argument: "NAME", help: "pick a model", run: pick },
};

/** @param {string} text */
export function commandIn(text) {
  const match = /^\/([a-z]+)(?:\s+(.*))?$/s.exec(text.trim());
  return match ? { name: match[1] ?? "", rest: match[2] ?? "" } : null;
}

/**
 * @param {App} app
 * @param {{name: string, rest: string}} command
 */
export function run(app, { name, rest }) {
  if (!Object.hasOwn(COMMANDS, name)) return `There is no command /${name}: /help lists them.`;
  return COMMANDS[name]?.run(app, rest) ?? "";
}

/** @param {App} app */
function clear(app) {
  app.clear();
  return "";
}

/** @param {App} app */
function help(app) {
  app.helpShown = true;
  return "";
}

/**
 * @param {App} app
 * @param {string} prompt
 */
function paint(app, prompt) {
  return prompt.trim() ? app.paint(prompt) : "Say what to draw: /image a red circle on white.";
}

/**
 * @param {App} app
 * @param {string} name
 */
function pick(app, name) {
  if (!app.board.models.has(name)) return `There is no model "${name}": ${[...app.board.models.keys()].join(", ")}.`;
  app.choose(name);
  return "";
}
