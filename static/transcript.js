// What was said. All text becomes text nodes: nothing that a model writes is ever markup here.

import { COMMANDS } from "./commands.js";
import { Gallery, SentPictures } from "./gallery.js";
import { html } from "./html.js";
import { wording } from "./models.js";
import { Clock } from "./picker.js";
import { useLayoutEffect, useMemo, useRef } from "./vendor/preact-hooks.js";

/** @typedef {import("./app.js").App} App */
/** @typedef {import("./chat.js").Exchange} Exchange */

const NEAR_THE_END = 48; // pixels

/** @param {{app: App}} props */
export function Transcript({ app }) {
  const { exchanges, busy } = app.chat;
  const last = exchanges.at(-1);
  const intro = exchanges.length === 0 || app.helpShown;
  return html`
    <main ref=${useFollowing(exchanges, [intro, app.attachments.list])} tabindex="0" aria-label="Conversation">
      <div role="log" aria-live="off" aria-busy=${busy}>
        ${exchanges.map((exchange) => html`<${Turn} key=${exchange.id} app=${app} exchange=${exchange} />`)}
        ${last?.outcome === "waiting" && html`<${Waiting} app=${app} exchange=${last} />`}
        ${last?.outcome === "failed" && html`<button class="again" onClick=${() => app.again()}>ask again</button>`}
      </div>
      ${intro && html`<${Intro} big=${exchanges.length === 0} />`}
    </main>
  `;
}

/**
 * Keeps the end in sight while text arrives, unless the reader has scrolled away; a new question always comes in sight.
 * @param {Exchange[]} exchanges
 * @param {unknown[]} others what else changes the room that the end has
 */
function useFollowing(exchanges, others) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const followed = useRef(true);
  useLayoutEffect(() => {
    const main = element.current;
    const watch = () => {
      if (main) followed.current = main.scrollHeight - main.scrollTop - main.clientHeight < NEAR_THE_END;
    };
    main?.addEventListener("scroll", watch, { passive: true });
    return () => main?.removeEventListener("scroll", watch);
  }, []);
  useLayoutEffect(() => {
    const main = element.current;
    if (main && followed.current && exchanges.length > 0) main.scrollTop = main.scrollHeight;
  }, [exchanges, ...others]);
  useLayoutEffect(() => {
    const main = element.current;
    if (main && exchanges.length > 0) main.scrollTop = main.scrollHeight;
  }, [exchanges.at(-1)?.id]);
  return element;
}

/** @param {{app: App, exchange: Exchange}} props */
function Turn({ app, exchange }) {
  return useMemo(
    () => html`
      <article data-outcome=${exchange.outcome}>
        <p class="question" dir="auto">${exchange.question}</p>
        <${SentPictures} sent=${exchange.sent} />
        <div class="answer">
          ${exchange.answer.map((piece, index) => html`<${Piece} key=${index} text=${piece} />`)}
        </div>
        <${Gallery} app=${app} exchange=${exchange} />
        ${exchange.outcome === "stopped" && html`<p class="mark">stopped</p>`}
        ${exchange.outcome === "cut" && html`<p class="mark">cut off at the token limit</p>`}
        ${exchange.failure && html`<${Failure} failure=${exchange.failure} />`}
      </article>
    `,
    [exchange],
  );
}

/** @param {{text: string}} props */
function Piece({ text }) {
  return useMemo(() => html`<div dir="auto">${text}</div>`, [text]);
}

/** @param {{failure: import("./api.js").ApiFailure}} props */
function Failure({ failure }) {
  const { status, code, origin, message } = failure;
  const source = [origin && `from the ${origin}`, code, status >= 400 && `status ${status}`].filter(Boolean).join(" · ");
  return html`
    <div class="failure" role="alert">
      <p dir="auto">${message}</p>
      ${source && html`<p class="source">${source}</p>`}
    </div>
  `;
}

/** What happens before the first token: the proxy's own words, or the model's state. @param {{app: App, exchange: Exchange}} props */
function Waiting({ app, exchange }) {
  const model = app.board.models.get(exchange.model);
  if (exchange.progress) return html`<p class="waiting">${exchange.progress}</p>`;
  if (!model || model.state === "ready") return html`<p class="waiting">asking ${exchange.model}</p>`;
  return html`<p class="waiting">${exchange.model}: ${wording(model)}<${Clock} model=${model} /></p>`;
}

/** @type {[string, string][]} */
const KEYS = [
  ["Enter", "send"],
  ["Shift+Enter", "new line"],
  ["↑ ↓", "earlier inputs"],
  ["Esc", "stop the answer"],
  ["Ctrl+L", "clear"],
  ["Ctrl+V", "attach a picture, for models of type edit"],
];

/** @param {{big: boolean}} props */
function Intro({ big }) {
  return html`
    <section class="intro" aria-label="Help">
      ${big && html`<img src="static/icon.svg" alt="" width="96" height="96" />`}
      ${big && html`<p class="lead">Pick a model and ask. The first question starts its engine.</p>`}
      <dl>
        ${KEYS.map(([key, does]) => html`<div class="key"><dt>${key}</dt><dd>${does}</dd></div>`)}
        ${Object.entries(COMMANDS).map(
          ([name, { argument = "", help }]) => html`<div><dt>${`/${name} ${argument}`}</dt><dd>${help}</dd></div>`,
        )}
      </dl>
      <p class="base">OpenAI base URL <code>${new URL("v1", document.baseURI).href}</code></p>
    </section>
  `;
}
