// Parts of tables: heads, figures, bars, and a place that scrolls sideways where a table is wide.

import { el } from "./dom.js";

export const heads = (texts) => texts.map((text) => el("th", { scope: "col" }, text));

export const figureHeads = (texts) => texts.map((text) => el("th", { scope: "col", class: "figure" }, text));

export const figures = (values) => values.map((value) => el("td", { class: "figure" }, value));

/** A bar that is this part of its place, in 0..=1; what it shows stands beside it as text. */
export const bar = (part, kind = "", ...marks) =>
  el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: `part ${kind}`, style: { width: `${100 * part}%` } }), marks);

/** A table of names and values. */
export const pairs = (caption, rows) => el("table", {},
  el("caption", { class: "unseen" }, caption),
  el("tbody", {}, rows.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)))));

/** What may be wider than the window: keys scroll it too. */
export const scrolled = (label, ...content) =>
  el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, content);
