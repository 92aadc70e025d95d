// Asks for the API key.

import { html } from "./html.js";
import { useLayoutEffect, useRef } from "./vendor/preact-hooks.js";

/** @param {{keys: import("./keys.js").Keys}} props */
export function KeyPrompt({ keys }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const give = (/** @type {Event} */ event) => {
    event.preventDefault();
    dialog.current?.close(field.current?.value.trim());
  };
  // Esc closes with no value; closing gives the focus back to where it was.
  const closed = () => keys.answer(dialog.current?.returnValue ?? "");
  return html`
    <dialog ref=${dialog} aria-labelledby="key-title" onClose=${closed}>
      <form onSubmit=${give}>
        <h2 id="key-title">This Roundhouse wants an API key</h2>
        <p>${keys.wanted}</p>
        <label for="key">API key</label>
        <input id="key" ref=${field} type="password" autocomplete="off" spellcheck=${false} autofocus />
        <p class="aside">Kept in this tab only, until it is closed.</p>
        <menu>
          <button type="button" onClick=${() => dialog.current?.close("")}>not now</button>
          <button type="submit">use it</button>
        </menu>
      </form>
    </dialog>
  `;
}
