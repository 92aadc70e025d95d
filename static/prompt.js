// Where people write.

import { AttachButton, Attached } from "./attachments.js";
import { html } from "./html.js";
import { canChat, canEdit } from "./models.js";
import { useEffect, useRef } from "./vendor/preact-hooks.js";

/** @typedef {import("./app.js").App} App */

/** @param {{app: App}} props */
export function Prompt({ app }) {
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const { busy } = app.chat;
  const model = app.board.current;
  // On a touch screen, focus would raise the keyboard over the page.
  useEffect(() => void (matchMedia("(pointer: fine)").matches && field.current?.focus()), []);
  return html`
    <form class="prompt" onSubmit=${(/** @type {Event} */ event) => entered(app, field.current, event)}>
      <${Attached} app=${app} />
      <label for="question">${">"}</label>
      <textarea
        id="question"
        ref=${field}
        rows="1"
        aria-label="Your question"
        placeholder=${model && !canChat(model) ? "say what to draw, or /help" : "ask, or /help"}
        autocomplete="off"
        autocapitalize="sentences"
        enterkeyhint="send"
        onInput=${() => fit(field.current)}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => keyed(app, field.current, event)}
      ></textarea>
      ${model && canEdit(model) && html`<${AttachButton} app=${app} />`}
      ${busy
        ? html`<button key="stop" type="button" class="stop" onClick=${() => app.chat.stop()}>stop</button>`
        : html`<button key="send" type="submit">send</button>`}
    </form>
  `;
}

/**
 * @param {App} app
 * @param {HTMLTextAreaElement | null} field
 * @param {Event} event
 */
function entered(app, field, event) {
  event.preventDefault();
  if (!field || !field.value.trim()) return;
  if (app.submit(field.value)) put(field, "");
}

/**
 * @param {App} app
 * @param {HTMLTextAreaElement | null} field
 * @param {KeyboardEvent} event
 */
function keyed(app, field, event) {
  // 229: Safari sends the Enter that ends a composition after the composition's end.
  if (!field || event.isComposing || event.keyCode === 229) return;
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  if (event.key === "Enter") entered(app, field, event);
  else if (event.key === "ArrowUp" && onFirstLine(field)) recall(field, app.history.older(field.value), event);
  else if (event.key === "ArrowDown" && onLastLine(field)) recall(field, app.history.newer(), event);
}

/**
 * @param {HTMLTextAreaElement} field
 * @param {string | null | undefined} entry
 * @param {KeyboardEvent} event
 */
function recall(field, entry, event) {
  if (typeof entry !== "string") return;
  event.preventDefault();
  put(field, entry);
  // The caret goes where the same key recalls on: to the first line after ↑, to the end after ↓.
  const caret = event.key === "ArrowUp" && rows(field) > 1 ? 0 : entry.length;
  field.setSelectionRange(caret, caret);
}

/** @param {HTMLTextAreaElement} field */
function onFirstLine(field) {
  if (field.selectionStart !== field.selectionEnd) return false;
  return field.selectionStart === 0 || rows(field) === 1 || (!isWrapped(field) && !before(field).includes("\n"));
}

/** @param {HTMLTextAreaElement} field */
function onLastLine(field) {
  if (field.selectionStart !== field.selectionEnd) return false;
  const { selectionEnd, value } = field;
  return selectionEnd === value.length || (!isWrapped(field) && !value.slice(selectionEnd).includes("\n"));
}

/** @param {HTMLTextAreaElement} field */
function before(field) {
  return field.value.slice(0, field.selectionStart);
}

/** @param {HTMLTextAreaElement} field */
function isWrapped(field) {
  return rows(field) > field.value.split("\n").length;
}

/** Lines as they are seen, wrapped ones too. @param {HTMLTextAreaElement} field */
function rows(field) {
  const { lineHeight, paddingTop, paddingBottom } = getComputedStyle(field);
  return Math.round((field.scrollHeight - parseFloat(paddingTop) - parseFloat(paddingBottom)) / parseFloat(lineHeight));
}

/**
 * @param {HTMLTextAreaElement} field
 * @param {string} text
 */
function put(field, text) {
  field.value = text;
  fit(field);
}

/** As tall as its text, up to what the stylesheet allows. @param {HTMLTextAreaElement | null} field */
function fit(field) {
  if (!field) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
