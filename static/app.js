// The composition root: makes the parts, joins them, draws the page.

import { Api } from "./api.js";
import { Attachments, watchFiles } from "./attachments.js";
import { Chat } from "./chat.js";
import { commandIn, run } from "./commands.js";
import { inNextFrame } from "./frame.js";
import { History } from "./history.js";
import { html } from "./html.js";
import { Keys } from "./keys.js";
import { Board, canChat, canEdit, canPaint } from "./models.js";
import { render } from "./vendor/preact.js";
import { Page } from "./view.js";
import { watchModels } from "./watch.js";

export class App {
  notice = "";
  helpShown = false;
  pickerOpen = false;
  history = new History();
  attachments = new Attachments();
  /** @type {import("./pictures.js").Picture | null} */
  enlarged = null;
  #willDraw = false;
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
    this.#draw();
    document.addEventListener("keydown", this.#shortcut);
    watchFiles(this);
    watchModels(this.board, this.api);
  }

  /** Draws once a frame, however many tokens came. */
  changed = () => {
    if (this.#willDraw) return;
    this.#willDraw = true;
    inNextFrame(this.#draw);
  };

  #draw = () => {
    this.#willDraw = false;
    render(html`<${Page} app=${this} />`, this.#root);
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
    if (!model) return "There is no model to ask yet.";
    const goes = this.attachments.list.length > 0;
    if (goes && !canEdit(model)) return noPictures(model.name);
    if (!goes && !canChat(model) && !canPaint(model)) return `${model.name} changes pictures: attach one first.`;
    if (goes || !canChat(model)) return this.paint(text);
    if (this.chat.busy) return STILL;
    this.helpShown = false;
    this.chat.ask(model.name, text);
    return "";
  }

  /**
   * Makes a picture, from the pictures that go along if there are any -> what went wrong, or "".
   * @param {string} prompt
   */
  paint(prompt) {
    const type = this.attachments.list.length > 0 ? "edit" : "image";
    const model = this.board.suited(type);
    if (this.chat.busy) return STILL;
    if (!model) return `There is no model of type ${type}.`;
    this.helpShown = false;
    this.chat.paint(model.name, prompt, this.attachments.take());
    return "";
  }

  /** @param {Iterable<File>} files */
  attach(files) {
    const model = this.board.current;
    this.notice = model && canEdit(model) ? this.attachments.add(files) : noPictures(model?.name ?? "The page");
    this.changed();
  }

  /** @param {string} url */
  detach(url) {
    this.attachments.remove(url);
    this.changed();
  }

  /** @param {import("./pictures.js").Picture | null} picture in full size; null: no more */
  enlarge(picture) {
    this.enlarged = picture;
    this.changed();
  }

  /** The chosen model may not be of the kind that the question was for. */
  again() {
    const last = this.chat.exchanges.at(-1);
    const type = last?.kind !== "picture" ? "text" : last.sent.length > 0 ? "edit" : "image";
    const model = this.board.suited(type);
    if (model) this.chat.again(model.name);
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
    if (event.isComposing || this.keys.wanted || this.enlarged) return;
    if (event.key === "Escape" && this.pickerOpen) this.togglePicker();
    else if (event.key === "Escape") this.chat.stop();
    else if (event.key.toLowerCase() === "l" && event.ctrlKey && !event.altKey && !event.shiftKey && !event.metaKey) this.clear();
    else return;
    event.preventDefault();
  };
}

const STILL = "Still answering: Esc stops it.";

/** @param {string} name */
function noPictures(name) {
  return `${name} takes no pictures: pick a model of type edit for them.`;
}

const root = document.getElementById("app");
if (root) new App(root).start();
