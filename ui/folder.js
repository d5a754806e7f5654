// The tab Folder: many photos, a few at a time, into a table that can be filtered and taken away.

import { countdown, patiently, post } from "./api.js";
import { csv } from "./csv.js";
import { announce, button, download, el, figureHeads, fileField, fill, heads, scrolled } from "./dom.js";
import { headline, named } from "./answer.js";
import { isPhoto, readable } from "./intake.js";
import { most } from "./services.js";
import { classified } from "./shape.js";
import { groupName, percent, plural, t, whole } from "./text.js";

/** Requests on the way at a time. */
const AT_ONCE = 2;
/** Sides of a thumbnail, in pixels. */
const THUMB = 88;
/** Photos that are looked up or drawn at a time, so that a large folder does not hold the page up. */
const ROWS = 40;
/** Classes of each photo that are kept. */
const CLASSES = 5;

/** By path, size and date: nothing is sent twice. */
const entries = new Map();
let root = null;
let isPaused = false;
let running = 0;
let held = 0;
let stop = new AbortController();
let filter = "";
let search = "";
let twice = 0;
/** @type {Record<string, any>} */
let parts = {};

export function start(section) {
  root = section;
  draw();
  window.addEventListener("back", () => { if (!isPaused) pump(); });
}

/** Takes files, and the folders among what was dropped. */
export async function take(files, transfer = null) {
  const chosen = (file) => ({ path: file.webkitRelativePath || file.name, file });
  const found = transfer ? await dropped(transfer, files) : files.map(chosen);
  await turn();
  found.sort((a, b) => a.path.localeCompare(b.path));
  twice = 0;
  for (const [place, { path, file }] of found.entries()) {
    // The browser asks the disk for the size and the date of each file.
    if (place % ROWS === ROWS - 1) await turn();
    if (!isPhoto(file)) continue;
    const key = `${path} ${file.size} ${file.lastModified}`;
    if (entries.has(key)) twice += 1;
    else entries.set(key, { key, path, file, state: "waiting", answer: null, error: "", thumb: "", row: null });
  }
  draw();
  pump();
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

async function dropped(transfer, files) {
  const roots = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!roots.some((entry) => entry.isDirectory)) return files.map((file) => ({ path: file.name, file }));
  const found = [];
  const visit = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ path: entry.fullPath.replace(/^\//, ""), file });
      return;
    }
    const reader = entry.createReader();
    // A reader gives at most a hundred at a time.
    for (let more = [null]; more.length;) {
      more = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      for (const child of more) await visit(child);
    }
  };
  for (const entry of roots) await visit(entry);
  return found;
}

function pump() {
  if (isPaused || held) return;
  for (const entry of entries.values()) {
    if (running >= AT_ONCE) return;
    if (entry.state === "waiting") run(entry);
  }
}

async function run(entry) {
  running += 1;
  entry.state = "running";
  update(entry);
  const { signal } = stop;
  try {
    const { blob } = await readable(entry.file);
    const send = () => post(`classify?top_k=${most(CLASSES)}&groups=true`, blob, { signal });
    const answer = classified((await patiently(send, { signal, onWait: full })).json);
    Object.assign(entry, { answer, state: "done" });
    // After the answer: making it takes the browser longer than the network takes.
    entry.thumb = await thumbnail(blob);
  } catch (error) {
    if (error.name === "AbortError" || error.code === "gone") entry.state = "waiting";
    else Object.assign(entry, { state: "failed", error: String(error.message ?? error) });
    if (error.code === "gone") await countdown(2, signal, () => {}).catch(() => {});
  }
  running -= 1;
  held = 0;
  update(entry);
  const { done, failed } = counts();
  if (done + failed === entries.size && entries.size) announce(t("folder.finished", { n: whole(done), failed: whole(failed) }));
  pump();
}

/** The service is full: no photo is sent until it has taken the one that waits. */
function full(left) {
  held = left;
  progress();
}

async function thumbnail(blob) {
  try {
    const bitmap = await createImageBitmap(blob, { resizeWidth: THUMB, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    const side = Math.min(bitmap.width, bitmap.height);
    Object.assign(canvas, { width: THUMB, height: THUMB });
    const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
    canvas.getContext("2d").drawImage(bitmap, left, top, side, side, 0, 0, THUMB, THUMB);
    bitmap.close();
    const small = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
    return small ? URL.createObjectURL(small) : "";
  } catch {
    return "";
  }
}

function counts() {
  const all = [...entries.values()];
  const of = (state) => all.filter((entry) => entry.state === state).length;
  return { done: of("done"), failed: of("failed"), left: of("waiting") + of("running") };
}

/** What a photo shows, in a word: the narrowest group that is more probable than not. */
const groupOf = (entry) => likely(entry).sort((a, b) => a.classes - b.classes)[0]?.label ?? "";

const isShown = (entry) => {
  const inGroup = !filter || likely(entry).some((group) => group.label === filter);
  const text = `${entry.path} ${entry.answer?.predictions[0]?.label ?? ""}`.toLowerCase();
  return inGroup && text.includes(search.toLowerCase());
};

export function draw() {
  if (!root) return;
  const input = fileField("folder-files", { webkitdirectory: true, multiple: true }, take);
  const lead = el("header", { class: "lead" }, el("h1", {}, t("folder.title")), el("p", { class: "quiet" }, t("folder.lead")));
  const choose = el("div", { class: "row" },
    el("label", { class: "button main", for: "folder-files" }, t("folder.choose")), input,
    el("span", { class: "quiet" }, t("folder.drop")));
  if (!entries.size) return fill(root, lead, choose);
  parts = { line: el("div", { class: "progress-line" }), filters: el("div", { class: "row filters" }), body: el("tbody", {}) };
  drawRows(parts.body);
  const head = el("tr", {}, el("td", {}), heads([t("folder.file"), t("classes.class")]),
    figureHeads([t("classes.probability")]), heads([t("folder.sure")]));
  const words = twice ? el("p", { class: "quiet", role: "status" }, plural("folder.twice", twice)) : null;
  fill(root, lead, choose, words, parts.line, parts.filters, el("div", { class: "sheet" },
    scrolled(t("folder.table"), el("table", { class: "grid-table files" }, el("thead", {}, head), parts.body))));
  progress();
  filters();
}

async function drawRows(body) {
  const all = [...entries.values()];
  for (let from = 0; from < all.length && body === parts.body; from += ROWS) {
    body.append(...all.slice(from, from + ROWS).map(row));
    await turn();
  }
}

function row(entry) {
  const best = entry.answer?.predictions[0];
  const sure = entry.answer ? headline(entry.answer) : null;
  const words = entry.state === "failed" ? [el("td", { colspan: "3" }, named(entry.error))] : [
    el("td", {}, best ? named(best.label) : t(`state.short.${entry.state === "running" ? "sending" : entry.state}`)),
    el("td", { class: "figure" }, best ? percent(best.probability) : ""),
    el("td", { "data-label": t("folder.sure") }, sure?.isSure ? [named(sure.text), ` ${percent(sure.p)}`] : sure ? t("folder.unsure") : ""),
  ];
  const made = el("tr", { class: entry.state, hidden: !isShown(entry) },
    el("td", {}, entry.thumb ? el("img", { src: entry.thumb, alt: "", width: 44, height: 44 }) : el("div", { class: "nothing" })),
    el("th", { scope: "row" }, el("bdi", {}, entry.path)), words);
  entry.row = made;
  return made;
}

function update(entry) {
  if (!entries.has(entry.key)) return;
  if (entry.row?.isConnected) entry.row.replaceWith(row(entry));
  progress();
  // A list that is open stays as it is.
  if (entry.state === "done" && !parts.filters.contains(document.activeElement)) filters();
}

function progress() {
  const { done, failed, left } = counts();
  const shape = `${held} ${left > 0} ${isPaused} ${done + failed > 0}`;
  // A button that is replaced while it is pressed is not clicked.
  if (parts.shape !== shape) controls(left, done + failed);
  parts.shape = shape;
  Object.assign(parts.bar, { max: entries.size, value: done + failed });
  parts.count.textContent = t("folder.count", { done: whole(done), n: whole(entries.size), failed: whole(failed) });
}

function controls(left, finished) {
  const toggle = () => {
    isPaused = !isPaused;
    if (!isPaused) pump();
    progress();
  };
  const clear = () => {
    stop.abort();
    stop = new AbortController();
    for (const entry of entries.values()) if (entry.thumb) URL.revokeObjectURL(entry.thumb);
    entries.clear();
    isPaused = false;
    filter = search = "";
    draw();
  };
  parts.bar = el("progress", { "aria-label": t("folder.progress") });
  parts.count = el("span", { class: "figure" });
  fill(parts.line, parts.bar, parts.count,
    held ? el("span", { class: "held", role: "timer" }, t("held", { n: held })) : null,
    left ? button(isPaused ? t("folder.go") : t("folder.pause"), toggle, { "data-focus": "pause" }) : null,
    finished ? [save("csv", "text/csv", table), save("json", "application/json", () => JSON.stringify(list(), null, 1))] : null,
    button(t("clear"), clear, { class: "plain" }));
}

const save = (form, type, make) => button(t(`folder.${form}`), () => download(`googlenet.${form}`, new Blob([make()], { type })));

const likely = (entry) => (entry.answer?.groups ?? []).filter((group) => group.probability > 0.5);

function filters() {
  const found = new Map();
  for (const entry of entries.values()) {
    for (const { label } of likely(entry)) found.set(label, (found.get(label) ?? 0) + 1);
  }
  const options = [...found].sort((a, b) => b[1] - a[1]);
  const option = ([label, n]) => el("option", { value: label, selected: label === filter }, `${groupName(label)} (${n})`);
  const apply = () => {
    for (const entry of entries.values()) if (entry.row) entry.row.hidden = !isShown(entry);
  };
  const choose = ({ target }) => {
    filter = target.value;
    apply();
  };
  const find = ({ target }) => {
    search = target.value;
    apply();
  };
  fill(parts.filters,
    el("label", { class: "field" }, t("folder.group"), el("select", { "data-focus": "group", on: { change: choose } },
      el("option", { value: "" }, t("folder.all")), options.map(option))),
    parts.search ??= el("label", { class: "field" }, t("folder.search"),
      el("input", { type: "search", "data-focus": "search", value: search, on: { input: find } })));
}

const finished = () => [...entries.values()].filter((entry) => entry.answer || entry.error);

function table() {
  const others = Array.from({ length: CLASSES - 1 }, (_, place) => place + 1);
  const head = ["file", "status", "class", "id", "label", "probability", "sure", "sure_probability", "group", "error"];
  const line = (entry) => {
    const { predictions = [], sure: { label, probability } = {} } = entry.answer ?? {};
    const best = predictions[0];
    return [
      entry.path, entry.state, best?.class, best?.id, best?.label, best?.probability, label, probability, groupOf(entry), entry.error,
      ...others.flatMap((place) => [predictions[place]?.label, predictions[place]?.probability]),
    ];
  };
  return csv([...head, ...others.flatMap((place) => [`label_${place + 1}`, `probability_${place + 1}`])], finished().map(line));
}

const list = () => finished().map(({ path, state, answer, error }) => {
  if (!answer) return { file: path, status: state, error };
  const { groups, sure } = answer;
  return { file: path, status: state, predictions: answer.predictions.map(({ cam, ...kept }) => kept), groups, sure };
});
