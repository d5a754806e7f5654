// Evidence: which squares of the photo added to the score of a class, exactly, or made one class lead another.

import { sumText } from "./answer.js";
import { patiently, post, ServiceError } from "./api.js";
import { bar, button, el, figures, fill, heads, scrolled } from "./dom.js";
import { has, services } from "./services.js";
import { explained, gridOf } from "./shape.js";
import { decimal, signed, t } from "./text.js";

/** Part of a logit that rounding may miss before it is said. */
const ROUNDED = 0.02;
export const MODES = ["off", "squares", "smooth", "numbers"];
/** The way that covers a part of the photo at a time, as the service calls it; the others are names of modules. */
const COVERING = "occlusion";
/** Squares side by side from which on numbers do not fit. */
const MANY = 16;
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// Orange speaks for a class, blue against it: every kind of colour vision tells them apart, and the numbers are there too.
const FOR = [230, 97, 1];
const AGAINST = [33, 102, 172];
const STRONGEST = 0.78;

/**
 * @typedef {{ grid: number[][], logit: number, bias: number, residual: number, forRow: any, againstRow: any, by?: string,
 *   isPending?: boolean, error?: Error, retry?: () => void }} Evidence
 */

/**
 * The evidence for a class, or for it against another: the difference of two grids is the difference of two logits.
 * @returns {Evidence | null}
 */
export function evidenceOf(answer, forClass, againstClass) {
  const rows = answer.predictions.filter((row) => row.cam);
  const forRow = rows.find((row) => row.class === forClass) ?? rows[0];
  if (!forRow) return null;
  const againstRow = rows.find((row) => row.class === againstClass && row !== forRow) ?? null;
  const a = forRow.cam;
  const b = againstRow?.cam;
  if (!b) return { ...a, forRow, againstRow };
  return {
    grid: a.grid.map((row, y) => row.map((value, x) => value - (b.grid[y]?.[x] ?? 0))),
    logit: a.logit - b.logit, bias: a.bias - b.bias, residual: a.residual - b.residual, forRow, againstRow,
  };
}

/** The squares over the photo. `look` is told which is pointed at or kept, `act` which is to be covered. */
export function overlay(evidence, { mode, square, look, act }) {
  const { grid } = evidence;
  const scale = largest(grid);
  const [atY, atX] = square ?? [0, 0];
  const cell = (value, y, x, row) => el("div", {
    role: "gridcell", class: "cell", tabindex: y === atY && x === atX ? "0" : "-1", "data-y": y, "data-x": x, "data-focus": `cell-${y}-${x}`,
    "aria-label": t("evidence.cell", { row: y + 1, column: x + 1, value: signed(value) }),
    "aria-selected": square ? String(y === atY && x === atX) : null,
    style: mode === "squares" || mode === "numbers" ? { "background-color": css(value, scale) } : {},
  }, mode === "numbers" && row.length < MANY ? el("span", { "aria-hidden": "true" }, decimal(value)) : null);
  const rows = grid.map((row, y) => el("div", { role: "row", class: "cells" }, row.map((value, x) => cell(value, y, x, row))));
  const root = el("div", {
    role: "grid", class: `grid ${mode}`, "aria-rowcount": grid.length, "aria-colcount": grid[0].length,
    "aria-label": t("evidence.grid", { label: evidence.forRow.label }),
  }, rows);
  const at = (event) => {
    const found = event.target.closest?.(".cell");
    return found ? [Number(found.dataset.y), Number(found.dataset.x)] : null;
  };
  const go = (y, x) => {
    for (const other of root.querySelectorAll(".cell")) {
      const isHere = Number(other.dataset.y) === y && Number(other.dataset.x) === x;
      other.tabIndex = isHere ? 0 : -1;
      other.setAttribute("aria-selected", String(isHere));
      if (isHere && root.contains(document.activeElement)) other.focus({ preventScroll: true });
    }
    look(y, x, true);
  };
  const on = (type, listener) => root.addEventListener(type, (event) => {
    const place = at(event);
    if (place) listener(place, event);
  });
  on("pointerover", (place, event) => event.pointerType === "mouse" && look(...place, false));
  on("focusin", (place) => go(...place));
  on("click", (place) => {
    go(...place);
    act?.(...place);
  });
  on("keydown", (place, event) => {
    if ((event.key === "Enter" || event.key === " ") && act) {
      event.preventDefault();
      return act(...place);
    }
    const to = target(event, place, grid);
    if (!to) return;
    event.preventDefault();
    go(...to);
  });
  return mode === "smooth" ? [smooth(grid, scale), root] : [root];
}

function target(event, [y, x], grid) {
  if (event.key === "Home") return [event.ctrlKey ? 0 : y, 0];
  if (event.key === "End") return [event.ctrlKey ? grid.length - 1 : y, grid[0].length - 1];
  const move = MOVES[event.key];
  if (!move) return null;
  const within = (place, size) => Math.min(size - 1, Math.max(0, place));
  return [within(y + move[0], grid.length), within(x + move[1], grid[0].length)];
}

/** The grid as a picture of as many pixels, which the browser enlarges smoothly. */
function smooth(grid, scale) {
  const canvas = el("canvas", { class: "smooth", "aria-hidden": "true", width: grid[0].length, height: grid.length });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(grid[0].length, grid.length);
  grid.flat().forEach((value, at) => {
    const [r, g, b, a] = diverging(value, scale);
    picture.data.set([r, g, b, Math.round(a * 255)], at * 4);
  });
  context.putImageData(picture, 0, 0);
  return canvas;
}

export function panel(photo, evidence, view) {
  const { forRow, againstRow } = evidence;
  const rows = photo.answer.predictions.filter((row) => row.cam);
  const named = (list) => list.map((row) => [row.class, row.label]);
  const others = named(rows.filter((row) => row !== forRow));
  const against = againstRow?.class ?? null;
  const setFor = (value) => view.set({ forClass: Number(value), againstClass: Number(value) === against ? null : against });
  const setAgainst = (value) => view.set({ againstClass: value === "" ? null : Number(value) });
  const readout = el("div", { class: "readout", id: "readout" });
  showSquare(readout, photo, evidence, view.square);
  return el("section", { class: "evidence", "aria-labelledby": "evidence-title" },
    el("h3", { id: "evidence-title" }, t("evidence.title")),
    el("div", { class: "row" },
      select("for", forRow.class, named(rows), setFor),
      select("against", against, [["", t("evidence.none")], ...others], setAgainst),
      has("POST /explain") ? select("by", evidence.by, ways(), (by) => view.set({ by, square: null })) : null),
    evidence.by ? way(evidence) : sum(evidence),
    evidence.isPending ? null : [legend(largest(evidence.grid)), readout],
    evidence.by ? null : disclosure("why", t("evidence.why"), view, () => why(photo, evidence)),
    disclosure("numbers", t("evidence.table"), view, () => numbers(evidence)),
    evidence.by ? null : el("p", { class: "quiet small" }, t("evidence.meaning")));
}

function select(id, value, options, set) {
  const change = ({ target }) => set(target.value);
  const option = ([key, text]) => el("option", { value: key, selected: String(key) === String(value ?? "") }, text);
  return el("label", { class: "field" }, el("span", {}, t(`evidence.${id}`)),
    el("select", { id, "data-focus": id, on: { change } }, options.map(option)));
}

function ways() {
  return [["", t("by.exact")], [COVERING, t("by.covering")], ...services.gradients.map((name) => [name, t("by.gradient", { name })])];
}

/** The evidence with the grid of another way, which is asked for once; `again` is called when it is there. */
export function otherwise(photo, evidence, by, again) {
  const { forRow, againstRow } = evidence;
  const key = `${by} ${forRow.class} ${againstRow?.class}`;
  if (!photo.kept[key]) {
    const seen = { by, grid: [[0]], isPending: true };
    photo.kept[key] = seen;
    const retry = () => { delete photo.kept[key]; again(); };
    const wanted = by === COVERING ? { method: by } : { method: "gradient", module: by };
    request(photo, forRow.class, againstRow?.class ?? null, wanted, gridOf).then(
      (grid) => Object.assign(seen, { grid, isPending: false }), (error) => Object.assign(seen, { error, retry })).then(again);
  }
  return { ...evidence, ...photo.kept[key] };
}

function way({ by, grid, isPending, error, retry }) {
  if (error) return el("p", { class: "error" }, error.message, " ", button(t("again"), retry));
  if (isPending) return el("p", { class: "held", role: "status" }, t("state.sending"));
  return el("p", { class: "sum" }, by === COVERING ? t("by.covering.meaning") : t("by.gradient.meaning", { total: signed(total(grid)) }));
}

const total = (grid) => grid.flat().reduce((sum, value) => sum + value, 0);

/** The sum that the squares are: with the bias they are the score. */
function sum({ grid, logit, bias, residual, forRow, againstRow }) {
  const squares = total(grid);
  const isExact = Math.abs(residual) <= ROUNDED * Math.max(1, Math.abs(logit));
  const parts = sumText([[t("sum.squares"), squares], [t("sum.bias"), bias]]);
  const text = againstRow
    ? t(logit < 0 ? "sum.trail" : "sum.lead", { a: forRow.label, b: againstRow.label, logit: decimal(Math.abs(logit), 2), parts })
    : t("sum.score", { a: forRow.label, logit: decimal(logit, 2), parts });
  const missed = isExact ? t("sum.exact") : t("sum.rounded", { residual: signed(residual) });
  return el("p", { class: "sum" }, text, " ", el("span", { class: "quiet" }, missed));
}

function legend(scale) {
  const end = (value) => el("span", { class: "figure" }, signed(value, 1));
  return el("div", { class: "legend", "aria-hidden": "true" }, end(-scale), el("span", { class: "ramp" }), end(scale));
}

/** What one square says; asks the service which classes it speaks for, once. */
export function showSquare(readout, photo, evidence, square) {
  if (!readout) return;
  if (!square) return fill(readout, el("p", { class: "quiet" }, t("square.hint")));
  const [y, x] = square;
  const value = evidence.grid[y]?.[x];
  if (value === undefined) return;
  const kept = evidence.by ? null : photo.kept.explained;
  const of = kept?.squares[y * evidence.grid[0].length + x];
  const classes = of?.map((row) => `${row.label} ${signed(row.value, 1)}`).join(" · ");
  fill(readout,
    el("p", {}, el("span", { class: "chip", style: { "background-color": css(value, largest(evidence.grid)) } }),
      t("square.value", { row: y + 1, column: x + 1, value: signed(value), label: evidence.forRow.label })),
    classes ? el("p", { class: "quiet" }, t("square.speaks", { classes })) : null);
  if (!kept && !evidence.by && has("POST /explain")) {
    // One that failed is not asked for again by the next square.
    const none = { squares: [], branches: [], channels: [] };
    explain(photo, null, null).catch(() => none).then((seen) => {
      photo.kept.explained = seen;
      if (readout.isConnected) showSquare(readout, photo, evidence, square);
    });
  }
}

/** Asks `POST /explain` once for each pair of classes. */
function explain(photo, forClass, againstClass) {
  const key = `explain ${forClass} ${againstClass}`;
  photo.kept[key] ??= request(photo, forClass, againstClass, { squares: "3", channels: "10" }, explained);
  // One that failed may be asked for again.
  photo.kept[key].catch(() => { delete photo.kept[key]; });
  return photo.kept[key];
}

/** Sends the photo to `POST /explain`, and again while the service is full. */
function request(photo, forClass, againstClass, wanted, read) {
  const query = new URLSearchParams(wanted);
  if (forClass !== null) query.set("class", forClass);
  if (againstClass !== null) query.set("against", againstClass);
  return patiently(() => post(`explain?${query}`, photo.blob), { onWait: () => {} }).then(({ json }) => read(json));
}

const named = ({ channel, branch, contribution }) => [t("why.channel", { n: channel, branch: branch ?? "–" }), contribution];

/** Which branches of the last module, and which of its channels, the evidence came from. */
function why(photo, { forRow, againstRow }) {
  const place = el("div", { class: "why" }, el("p", { class: "quiet" }, t("loading")));
  explain(photo, forRow.class, againstRow?.class ?? null).then(
    ({ branches, channels }) => fill(place,
      branches.length ? signedBars(t("why.branches"), branches) : null,
      channels.length ? signedBars(t("why.channels"), channels.map(named)) : null),
    (error) => fill(place, el("p", { class: "error" }, error instanceof ServiceError ? error.message : String(error))));
  return place;
}

function signedBars(caption, rows) {
  const scale = Math.max(...rows.map(([, value]) => Math.abs(value)), Number.MIN_VALUE);
  return el("table", { class: "bars signed" }, el("caption", {}, caption),
    el("thead", { class: "unseen" }, el("tr", {}, heads([caption, t("why.value")]))),
    el("tbody", {}, rows.map(([name, value]) => el("tr", {},
      el("th", { scope: "row" }, el("span", { class: "name" }, name), bar(Math.abs(value) / scale, value < 0 ? "against" : "for")),
      figures([signed(value)])))));
}

function numbers({ grid }) {
  const line = (row, y) => el("tr", {}, el("th", { scope: "row" }, y + 1), figures(row.map((value) => signed(value))));
  return scrolled(t("evidence.table"), el("table", { class: "numbers" },
    el("caption", { class: "unseen" }, t("evidence.table")),
    el("thead", {}, el("tr", {}, el("td", {}), heads(grid[0].map((_, x) => x + 1)))),
    el("tbody", {}, grid.map(line))));
}

function disclosure(name, title, view, make) {
  const place = el("div", {});
  const made = el("details", { open: Boolean(view.isOpen[name]) }, el("summary", { "data-focus": `open-${name}` }, title), place);
  const show = () => { if (made.open && !place.firstChild) place.append(make()); };
  made.addEventListener("toggle", () => {
    view.isOpen[name] = made.open;
    show();
  });
  show();
  return made;
}

export function modes(mode, set) {
  const one = (name) =>
    button(t(`overlay.${name}`), () => set(name), { "aria-pressed": String(name === mode), "data-focus": `overlay-${name}` });
  return el("div", { class: "segments", role: "group", "aria-label": t("overlay") }, MODES.map(one));
}

const largest = (grid) => Math.max(...grid.flat().map(Math.abs), Number.MIN_VALUE);

/** Red, green, blue in 0..=255 and alpha in 0..=1. */
function diverging(value, scale) {
  const part = Math.min(1, Math.abs(value) / scale);
  return [...(value < 0 ? AGAINST : FOR), STRONGEST * part ** 0.8];
}

const css = (value, scale) => {
  const [r, g, b, a] = diverging(value, scale);
  return `rgb(${r} ${g} ${b} / ${a.toFixed(3)})`;
};
