// The models: one stall each, with the state of its engine.

import { html } from "./html.js";
import { canAnswer, canChat, elapsed, isMoving, wording } from "./models.js";
import { useEffect, useState } from "./vendor/preact-hooks.js";

/** @typedef {import("./models.js").Model} Model */

/** @param {{app: import("./app.js").App}} props */
export function Picker({ app }) {
  const { board } = app;
  const models = [...board.models.values()];
  return html`
    <nav id="models" aria-label="Models" data-open=${app.pickerOpen} data-line=${board.link.state}>
      ${GROUPS.map(({ title, holds }) => html`<${Group} key=${title} app=${app} title=${title} models=${models.filter(holds)} />`)}
      ${models.length === 0 && html`<p class="none">${emptyWords(board.link.state)}</p>`}
    </nav>
  `;
}

/** What a model is for, in the order in which it is shown. Every model is in one group. */
const GROUPS = [
  { title: "Text", holds: canChat },
  { title: "Pictures", holds: (/** @type {Model} */ model) => !canChat(model) && canAnswer(model) },
  { title: "Other", holds: (/** @type {Model} */ model) => !canAnswer(model) },
];

/** @param {{app: import("./app.js").App, title: string, models: Model[]}} props */
function Group({ app, title, models }) {
  if (models.length === 0) return null;
  return html`
    <fieldset>
      <legend>${title}</legend>
      ${models.map(
        (model) => html`
          <${Stall}
            key=${model.name}
            model=${model}
            chosen=${model === app.board.current}
            onChoose=${() => app.choose(model.name)}
          />
        `,
      )}
    </fieldset>
  `;
}

/** @param {string} line */
function emptyWords(line) {
  if (line === "live" || line === "listing") return "The catalogue is empty: add a model to models.json.";
  return line === "connecting" ? "Reading the catalogue…" : "Unknown while the proxy does not tell.";
}

/** @param {{model: Model, chosen: boolean, onChoose: () => void}} props */
function Stall({ model, chosen, onChoose }) {
  const able = canAnswer(model);
  return html`
    <div class="stall" data-state=${model.state} data-chosen=${chosen}>
      <label>
        <input type="radio" name="model" value=${model.name} checked=${chosen} disabled=${!able} onClick=${onChoose} />
        <${Lamp} state=${model.state} />
        <span class="name">${model.name}</span>
        <span class="type">${model.types.join(" ")}</span>
        <span class="state">${wording(model)}<${Clock} model=${model} bar=${true} /></span>
      </label>
      ${model.reason && html`<p class="reason">${model.reason}</p>`}
      ${model.logTail.length > 0 &&
      html`<details><summary>last lines of its log</summary><pre tabindex="0">${model.logTail.join("\n")}</pre></details>`}
    </div>
  `;
}

/** A lamp says by shape and colour what the words beside it say. @param {{state: string}} props */
export function Lamp({ state }) {
  return html`<span class="lamp" data-state=${state} aria-hidden="true"></span>`;
}

/**
 * The seconds of a state that is passing. Screen readers are told the state, not each second.
 * @param {{model: Model, bar?: boolean}} props
 */
export function Clock({ model, bar = false }) {
  const [, tick] = useState(0);
  const moving = isMoving(model);
  useEffect(() => {
    const timer = moving ? setInterval(() => tick(performance.now()), 1000) : 0;
    return () => clearInterval(timer);
  }, [moving]);
  if (!moving) return null;
  const { text, part } = elapsed(model);
  return html`
    <span class="clock" aria-hidden="true">${" · "}<span>${text}</span></span>
    ${bar && part !== null && html`<progress max="1" value=${part} aria-hidden="true"></progress>`}
  `;
}
