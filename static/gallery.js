// Pictures as they are seen: in their turn of the conversation, and in full size.

import { html } from "./html.js";
import { scaleOf } from "./pictures.js";
import { useLayoutEffect, useRef } from "./vendor/preact-hooks.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./pictures.js").Picture} Picture */

/** The steps, the newest preview, the pictures. @param {{app: App, exchange: import("./chat.js").Exchange}} props */
export function Gallery({ app, exchange }) {
  const { question, step, preview, pictures, outcome } = exchange;
  return html`
    ${step && outcome === "streaming" && html`<${Steps} ...${step} />`}
    ${preview && html`<figure class="preview"><${Image} picture=${preview} words=${`preview: ${question}`} /></figure>`}
    ${pictures.map(
      (picture) => html`
        <figure>
          <button class="enlarge" title="full size" onClick=${() => app.enlarge(picture)}>
            <${Image} picture=${picture} words=${question} />
          </button>
          <figcaption>
            <span>${picture.facts}</span>
            <a href=${picture.url} download=${picture.name}>download</a>
          </figcaption>
        </figure>
      `,
    )}
  `;
}

/** @param {{step: number, steps: number}} props */
function Steps({ step, steps }) {
  return html`
    <p class="steps">
      <span>step ${step} of ${steps}</span>
      <progress max=${steps} value=${step} aria-label="steps"></progress>
    </p>
  `;
}

/** Its place is kept while it is decoded, so that nothing jumps. @param {{picture: Picture, words: string}} props */
function Image({ picture, words }) {
  const scale = scaleOf(picture);
  const [width, height] = [picture.width * scale || null, picture.height * scale || null];
  return html`<img class=${scale > 1 ? "small" : ""} src=${picture.url} alt=${words} width=${width} height=${height} />`;
}

/** What the person sent along. @param {{sent: readonly import("./pictures.js").Sent[]}} props */
export function SentPictures({ sent }) {
  if (sent.length === 0) return null;
  return html`<p class="thumbs">${sent.map(({ url, file }) => html`<img src=${url} alt=${file.name} />`)}</p>`;
}

/** One picture over the page, until a click or Esc. @param {{app: App, picture: Picture}} props */
export function Enlarged({ app, picture }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return html`
    <dialog
      ref=${dialog}
      class="enlarged"
      aria-label="Full size"
      onClick=${() => dialog.current?.close()}
      onClose=${() => app.enlarge(null)}
    >
      <${Image} picture=${picture} words=${picture.name} />
    </dialog>
  `;
}
