// Pictures of the person's own that go along with the next prompt: chosen, dropped or pasted.

import { html } from "./html.js";

/** @typedef {import("./app.js").App} App */

const TYPES = ["image/png", "image/jpeg", "image/webp"];
const MOST = 16;

export class Attachments {
  /** @type {readonly import("./pictures.js").Sent[]} */
  list = [];

  /**
   * What cannot be taken, in words, or "" when all was.
   * @param {Iterable<File>} files
   */
  add(files) {
    const found = [...files];
    const odd = found.find(({ type }) => !TYPES.includes(type));
    if (odd) return `${odd.name} is no picture that a model takes: PNG, JPEG or WebP.`;
    if (this.list.length + found.length > MOST) return `At most ${MOST} pictures go along.`;
    this.list = [...this.list, ...found.map((file) => ({ file, url: URL.createObjectURL(file) }))];
    return "";
  }

  /** @param {string} url */
  remove(url) {
    URL.revokeObjectURL(url);
    this.list = this.list.filter((sent) => sent.url !== url);
  }

  /** What goes along now, and no more with the next. */
  take() {
    const taken = this.list;
    this.list = [];
    return taken;
  }
}

/** Chooses files. @param {{app: App}} props */
export function AttachButton({ app }) {
  const chosen = (/** @type {Event} */ event) => {
    const field = /** @type {HTMLInputElement} */ (event.currentTarget);
    app.attach(field.files ?? []);
    field.value = ""; // so that the same file can be chosen again
  };
  return html`
    <label class="attach" title="attach a picture">
      <span aria-hidden="true">+</span>
      <input type="file" accept=${TYPES.join()} multiple aria-label="Attach pictures" onChange=${chosen} />
    </label>
  `;
}

/** What goes along. @param {{app: App}} props */
export function Attached({ app }) {
  const { list } = app.attachments;
  if (list.length === 0) return null;
  return html`
    <ul class="thumbs" aria-label="Attached pictures">
      ${list.map(
        ({ url, file }) => html`
          <li key=${url}>
            <img src=${url} alt=${file.name} />
            <button type="button" aria-label=${`remove ${file.name}`} onClick=${() => app.detach(url)}>×</button>
          </li>
        `,
      )}
    </ul>
  `;
}

/**
 * Files dropped on the page or pasted into it.
 * @param {App} app
 */
export function watchFiles(app) {
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
  document.addEventListener("drop", (event) => taken(app, event, event.dataTransfer));
  document.addEventListener("paste", (event) => taken(app, event, event.clipboardData));
}

/**
 * @param {App} app
 * @param {Event} event
 * @param {DataTransfer | null} data
 */
function taken(app, event, data) {
  if (!data || data.files.length === 0) return; // text is the input's own
  event.preventDefault();
  app.attach(data.files);
}
