// The composition root: makes the parts, joins them, draws the page.

import { Api } from "./api.js";
import { Chat } from "./chat.js";
import { commandIn, run } from "./commands.js";
import { History } from "./history.js";
import { html } from "./html.js";
import { Keys } from "./keys.js";
import { Board } from "./models.js";
import { render } from "./vendor/preact.js";
import { Page } from "./view.js";
import { watchModels } from "./watch.js";

export class App {
  notice = "";
  helpShown = false;
  pickerOpen = false;
  history = new History();
  #drawing = 0;
  /** @type {Element} */
  #root;

  /** @param {Element} root */
  constructor(root) {
    this.#root = root;
    this.keys = new Keys(this.changed);
    this.api = new Api(this.keys);
    this.board = new Board(this.changed);
    this.chat = new Chat(this.api, this.changed);
  }

  start() {
    this.#root.replaceChildren();
    this.changed();
    document.addEventListener("keydown", this.#shortcut);
    watchModels(this.board, this.api);
  }

  /** Draws once a frame, however many tokens came. */
  changed = () => {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      render(html`<${Page} app=${this} />`, this.#root);
    });
  };

  /**
   * What the person entered: a command or a question. False when it must stay in the input; the notice says why.
   * @param {string} text
   */
  submit(text) {
    this.history.add(text);
    const command = commandIn(text);
    this.notice = command ? run(this, command) : this.#ask(text);
    this.changed();
    return this.notice === "";
  }

  /** @param {string} text */
  #ask(text) {
    const model = this.board.current;
    if (this.chat.busy) return "Still answering: Esc stops it.";
    if (!model) return "There is no model to ask yet.";
    this.helpShown = false;
    this.chat.ask(model.name, text);
    return "";
  }

  again() {
    if (this.board.current) this.chat.again(this.board.current.name);
  }

  clear() {
    this.helpShown = false;
    this.notice = "";
    this.chat.clear();
  }

  /** @param {string} name */
  choose(name) {
    this.pickerOpen = false;
    this.board.choose(name);
  }

  togglePicker() {
    this.pickerOpen = !this.pickerOpen;
    this.changed();
  }

  /** @param {KeyboardEvent} event */
  #shortcut = (event) => {
    if (event.isComposing || this.keys.wanted) return;
    if (event.key === "Escape" && this.pickerOpen) this.togglePicker();
    else if (event.key === "Escape") this.chat.stop();
    else if (event.key.toLowerCase() === "l" && event.ctrlKey && !event.altKey && !event.shiftKey && !event.metaKey) this.clear();
    else return;
    event.preventDefault();
  };
}

const root = document.getElementById("app");
if (root) new App(root).start();
