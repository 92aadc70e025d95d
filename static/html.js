// The one template function. It makes nodes, never markup: text stays text, whoever wrote it.

import htm from "./vendor/htm.js";
import { h } from "./vendor/preact.js";

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = htm.bind(h);
