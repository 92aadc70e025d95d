// The page: header, models, transcript, prompt, status line.

import { Enlarged } from "./gallery.js";
import { html } from "./html.js";
import { wording } from "./models.js";
import { KeyPrompt } from "./key-prompt.js";
import { Clock, Lamp, Picker } from "./picker.js";
import { Prompt } from "./prompt.js";
import { Transcript } from "./transcript.js";

/** @typedef {import("./app.js").App} App */

/** @param {{app: App}} props */
export function Page({ app }) {
  return html`
    <${Header} app=${app} />
    <${Picker} app=${app} />
    <${Transcript} app=${app} />
    <${Prompt} app=${app} />
    <${StatusLine} app=${app} />
    ${app.enlarged && html`<${Enlarged} app=${app} picture=${app.enlarged} />`}
    ${app.keys.wanted && html`<${KeyPrompt} key=${app.keys.round} keys=${app.keys} />`}
  `;
}

/** @param {{app: App}} props */
function Header({ app }) {
  const model = app.board.current;
  return html`
    <header>
      <img class="icon" src="static/icon.svg" alt="" width="28" height="28" />
      <h1>Roundhouse</h1>
      <button class="picked" aria-expanded=${app.pickerOpen} aria-controls="models" onClick=${() => app.togglePicker()}>
        ${model && html`<${Lamp} state=${model.state} />`}
        <span>${model ? model.name : "no model"}</span>
        <span aria-hidden="true">${app.pickerOpen ? "▴" : "▾"}</span>
      </button>
    </header>
  `;
}

/** @param {{app: App}} props */
function StatusLine({ app }) {
  const { board, chat } = app;
  const model = board.current;
  const timing = chat.busy ? "" : String(chat.stopwatch);
  return html`
    <footer>
      <p role="status">
        ${app.notice
          ? html`<span class="alarm">${app.notice}</span>`
          : model && html`<span class="model">${model.name}: ${wording(model)}<${Clock} model=${model} /></span>`}
        <${Line} link=${board.link} />
        ${timing && html`<span class="timing">${timing}</span>`}
      </p>
    </footer>
  `;
}

const LINE_WORDS = {
  connecting: "Connecting to the proxy.",
  live: "",
  listing: "States are read every few seconds.",
  lost: "Trying again.",
  locked: "Without a key, models stay hidden.",
};

/** @param {{link: import("./models.js").Link}} props */
function Line({ link }) {
  const words = [link.cause, LINE_WORDS[link.state]].filter(Boolean).join(" ");
  return words && html`<span class=${link.state === "connecting" ? "model" : "alarm"}>${words}</span>`;
}
