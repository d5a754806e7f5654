// The tab Classify: photos in, answers beside them, evidence over them.

import * as address from "./address.js";
import { cautions, classesView, headline, headlineView, named, takeAway, timesView } from "./answer.js";
import { Painting, paintable } from "./brush.js";
import { isPossible, openCamera } from "./camera.js";
import { announce, button, copyButton, el, fileField, fill } from "./dom.js";
import { evidenceOf, MODES, modes, otherwise, overlay, panel, showSquare } from "./evidence.js";
import { pasted, taken } from "./intake.js";
import { add, again, changes, choose, chosen, clear, photos, remove, replaceBlob } from "./photos.js";
import { SAMPLES, sampleList, show } from "./samples.js";
import { percent, plural, t } from "./text.js";

/** Brush sizes as parts of the longer side. */
const SIZES = [0.04, 0.09, 0.18];
/** Bytes from which on it is worth saying how many have been sent. */
const LARGE = 1 << 20;

const view = {
  mode: "squares", forClass: /** @type {number | null} */ (null), againstClass: /** @type {number | null} */ (null),
  square: /** @type {[number, number] | null} */ (null), isLong: false, isOpen: /** @type {Record<string, boolean>} */ ({}),
  isPainting: false, size: 1, by: "",
};
let root = null;
let words = "";
let lookedAt = null;
/** What the address asked to see of the picture that it names. */
let asked = /** @type {any} */ (null);
let announced = null;

export function start(section) {
  root = section;
  changes.addEventListener("photos", draw);
  changes.addEventListener("photo", progress);
  enter();
  draw();
}

/** Opens the view that the address names, if it names one. */
export function enter() {
  const { settings } = address.read();
  const name = settings.get("sample");
  if (!SAMPLES.includes(name)) return;
  const number = (key) => (settings.has(key) ? Number(settings.get(key)) : null);
  const mode = settings.get("overlay") ?? "squares";
  asked = { forClass: number("for"), againstClass: number("against"), by: settings.get("by") ?? "", mode: MODES.includes(mode) ? mode : "squares" };
  show(name);
}

export async function take(files) {
  const { photos: found, refused } = await taken(files);
  words = refused.length ? t("refused", { names: refused.join(", ") }) : "";
  if (words) announce(words);
  if (found.length) add(found);
  else draw();
}

function link() {
  const photo = chosen();
  const overlay = view.mode === "squares" ? null : view.mode;
  const hash = address.hash("classify", { sample: photo?.sample, for: view.forClass, against: view.againstClass, by: view.by, overlay });
  return new URL(hash, document.baseURI).href;
}

export function draw() {
  if (!root) return;
  const photo = chosen();
  if (photo !== lookedAt) {
    // What was looked for in one photo means nothing in another.
    Object.assign(view, { forClass: null, againstClass: null, square: null, isPainting: false, by: "" }, photo?.sample ? asked : null);
    if (photo) asked = null;
    lookedAt = photo;
  }
  if (photo?.state === "done" && announced !== photo.answer) {
    announced = photo.answer;
    const { text, p } = headline(photo.answer);
    announce(`${text}, ${percent(p)}; ${plural("classes", photo.answer.predictions.length)}`);
  }
  fill(root,
    el("h1", { class: "unseen" }, t("tab.classify")),
    words ? el("p", { class: "refused", role: "status" }, words) : null,
    photo ? work(photo) : empty());
}

function ways(isSmall) {
  const files = fileField("files", { accept: "image/*,.tif,.tiff,.heic,.heif,.avif", multiple: true }, take);
  const shot = fileField("shot", { accept: "image/*", capture: "environment", tabindex: "-1", "aria-hidden": "true" }, take);
  const camera = async () => {
    if (!isPossible()) {
      // Phones open their camera for the file field, also without https.
      if (matchMedia("(pointer: coarse)").matches) return shot.click();
      words = t("camera.https");
      return draw();
    }
    try {
      await openCamera((name, blob) => add([{ name, blob }]));
    } catch {
      words = t("camera.none");
      draw();
    }
  };
  const paste = async () => {
    try {
      const file = await pasted();
      if (file) return take([file]);
      words = t("paste.none");
    } catch {
      words = t("paste.keys");
    }
    draw();
  };
  return el("div", { class: "row ways" },
    el("label", { class: isSmall ? "button" : "button main", for: "files" }, t("choose")), files,
    button(t("paste"), paste), button(t("camera"), camera), shot);
}

function empty() {
  return el("div", { class: "empty" },
    el("div", { class: "frame-empty" },
      el("p", { class: "big" }, t("empty.title")), ways(false), el("p", { class: "quiet" }, t("empty.promise"))),
    el("h2", { class: "small-title" }, t("empty.samples")),
    sampleList());
}

/** @param {import("./photos.js").Photo} photo */
function work(photo) {
  // What was answered before stays while the painted picture is on its way.
  const hasAnswer = photo.answer && ["done", "waiting", "sending"].includes(photo.state);
  const exact = hasAnswer ? evidenceOf(photo.answer, view.forClass, view.againstClass) : null;
  const evidence = exact && view.by ? otherwise(photo, exact, view.by, draw) : exact;
  return [
    el("div", { class: "work" },
      el("div", { class: "left" },
        el("div", { class: "side photo-side" }, figure(photo, evidence), evidence ? tools(photo) : null),
        el("div", { class: "below" }, photos.length > 1 ? strip() : null,
          el("div", { class: "row between" }, ways(true),
            button(photos.length > 1 ? t("clear.all") : t("clear"), () => clear(), { class: "plain" })))),
      el("div", { class: "side answer-side", "aria-busy": hasAnswer && photo.state !== "done" ? "true" : null },
        hasAnswer ? result(photo, evidence) : status(photo))),
  ];
}

function result(photo, evidence) {
  const set = (change) => { Object.assign(view, change); draw(); };
  return [
    headlineView(photo), cautions(photo),
    classesView(photo, { isLong: view.isLong, toggle: () => set({ isLong: !view.isLong }) }),
    evidence ? panel(photo, evidence, { set, square: view.square, isOpen: view.isOpen }) : null,
    timesView(photo), takeAway(photo, link),
  ];
}

function figure(photo, evidence) {
  const facts = photo.answer?.image;
  const width = photo.width || facts?.width || 4;
  const height = photo.height || facts?.height || 3;
  const frame = el("div", { class: "frame", style: { "--ratio": ratio(width, height) } });
  frame.append(photo.isShown ? picture(photo) : placeholder(photo));
  const crop = facts?.crop;
  if (evidence && crop) {
    const part = (side, size) => `${(100 * crop[side]) / facts[size]}%`;
    const style = { left: part("left", "width"), top: part("top", "height"), width: part("width", "width"), height: part("height", "height") };
    const over = el("div", { class: view.mode === "off" ? "crop" : "crop seen", style });
    const look = (y, x, isKept) => {
      if (isKept) view.square = [y, x];
      showSquare(document.getElementById("readout"), photo, evidence, [y, x]);
    };
    const act = view.isPainting ? (y, x) => cover(photo, evidence, y, x) : null;
    over.append(...overlay(evidence, { mode: view.mode, square: view.square, look, act }));
    frame.append(over);
  }
  if (view.isPainting && photo.painting) frame.append(paintable(photo.painting, () => SIZES[view.size], () => repaint(photo)));
  else if (photo.painting?.strokes.length) frame.append(shown(photo.painting));
  return el("figure", { class: "figure-photo" }, frame,
    el("figcaption", { class: "quiet small" }, el("bdi", {}, photo.name),
      facts ? ` · ${facts.width} × ${facts.height} ${facts.format.toUpperCase()}` : null,
      evidence && crop ? ` · ${t("crop")}` : null));
}

/** Of the frame: one pixel in a row of a thousand can still be seen. */
const ratio = (width, height) => String(Math.min(6, Math.max(1 / 6, width / height)));

function shown(painting) {
  const canvas = el("canvas", { class: "paint still", "aria-hidden": "true" });
  painting.draw(canvas, false);
  return canvas;
}

function picture(photo) {
  const image = el("img", { src: photo.url, alt: t("photo.alt", { name: photo.name }), on: {
    load: () => {
      Object.assign(photo, { width: image.naturalWidth, height: image.naturalHeight });
      image.parentElement?.style.setProperty("--ratio", ratio(photo.width, photo.height));
    },
    error: () => {
      photo.isShown = false;
      image.replaceWith(placeholder(photo));
    },
  } });
  return image;
}

const placeholder = (photo) => el("div", { class: "placeholder" }, el("bdi", {}, photo.name),
  el("p", { class: "quiet" }, t(photo.state === "failed" ? "photo.unreadable" : "photo.hidden")));

function tools(photo) {
  const { mode, isPainting } = view;
  return el("div", { class: "tools" },
    modes(mode, (name) => { view.mode = name; draw(); }),
    photo.isShown ? el("div", { class: "row" },
      button(t("brush"), () => paint(photo), { "aria-pressed": String(isPainting), "data-focus": "brush" }),
      isPainting ? sizes() : null,
      photo.painting?.strokes.length ? wipes(photo) : null) : null,
    isPainting ? el("p", { class: "quiet small" }, t("brush.hint")) : null);
}

function sizes() {
  const size = (_, place) => el("button", {
    type: "button", "aria-pressed": String(view.size === place), "aria-label": t(`brush.size.${place}`), "data-focus": `size-${place}`,
    on: { click: () => { view.size = place; draw(); } },
  }, el("span", { class: `dot dot-${place}` }));
  return el("div", { class: "segments", role: "group", "aria-label": t("brush.size") }, SIZES.map(size));
}

function wipes(photo) {
  const keep = (n) => () => {
    photo.painting.strokes.length = n;
    repaint(photo);
  };
  return [
    button(t("undo"), keep(photo.painting.strokes.length - 1), { "data-focus": "undo" }),
    button(t("brush.all"), keep(0), { "data-focus": "all" }),
  ];
}

async function paint(photo) {
  view.isPainting = !view.isPainting;
  if (view.isPainting) {
    photo.original = photo.answer && !photo.painting?.strokes.length ? photo.answer : photo.original;
    photo.firstBlob ??= photo.blob;
    photo.painting ??= new Painting(await createImageBitmap(photo.firstBlob), photo.width, photo.height);
  }
  draw();
}

/** Covers one square of the evidence: what the brush does, by keys. */
function cover(photo, { grid }, y, x) {
  const { crop, width, height } = photo.answer.image;
  const [h, w] = [crop.height / grid.length, crop.width / grid[0].length];
  photo.painting.strokes.push({ box: [(crop.left + x * w) / width, (crop.top + y * h) / height, w / width, h / height] });
  repaint(photo);
}

async function repaint(photo) {
  const { painting } = photo;
  // Without paint there is nothing to compare with.
  if (!painting.strokes.length) photo.original = null;
  replaceBlob(photo, painting.strokes.length ? await painting.blob() : photo.firstBlob);
}

/** What is happening to a photo that has no answer. */
function status(photo) {
  const stop = button(t("cancel"), () => photo.stop?.abort());
  const retry = button(t("again"), () => again(photo), { class: "main" });
  const away = button(t("remove"), () => remove(photo));
  const words = (key) => el("p", {}, t(key));
  const { error } = photo;
  switch (photo.state) {
    case "waiting": return step([words("state.waiting")], away);
    case "sending": return step([el("p", { id: "progress" }, progressText(photo)), progressBar(photo)], stop);
    case "held": return step([el("p", { class: "held", id: "progress", role: "timer" }, progressText(photo))],
      button(t("now"), () => photo.skip?.(), { class: "main" }), stop);
    case "stalled": return step([words("state.stalled")], retry, away);
    default: return error && error.code !== "cancelled" ? failure(error, retry, away) : step([words("state.cancelled")], retry, away);
  }
}

const step = (content, ...buttons) => el("div", { class: "status" }, content, el("div", { class: "row" }, buttons));

const progressBar = ({ part }) =>
  el("progress", { id: "progress-bar", max: "1", value: part < 1 ? String(part) : null, "aria-label": t("state.sending") });

function failure({ status, code, requestId, message }, ...buttons) {
  const facts = [status ? `${status} ${code}` : code, requestId].filter(Boolean).join(" · ");
  return el("div", { class: "status failed" },
    el("h2", {}, t("state.failed")),
    el("p", {}, named(message)),
    el("p", { class: "quiet small" }, el("code", {}, facts), " ",
      requestId ? copyButton(t("copy.id"), t("copied"), () => `${message}\n${facts}`) : null),
    el("div", { class: "row" }, buttons));
}

function progressText(photo) {
  if (photo.state === "held") return t("held", { n: photo.left });
  const isSent = photo.part >= 1 || photo.blob.size < LARGE;
  return isSent ? t("state.sending") : t("state.sent", { part: percent(photo.part) });
}

function progress() {
  const photo = chosen();
  const text = document.getElementById("progress");
  const bar = /** @type {HTMLProgressElement | null} */ (document.getElementById("progress-bar"));
  if (!photo || !text) return;
  text.textContent = progressText(photo);
  if (bar && photo.part < 1) bar.value = photo.part;
  else bar?.removeAttribute("value");
}

function strip() {
  const done = photos.filter((photo) => photo.state === "done").length;
  return el("nav", { class: "strip", "aria-label": t("strip", { done, n: photos.length }) },
    el("ul", {}, photos.map((photo) => el("li", {}, thumb(photo)))));
}

function thumb(photo) {
  const words = photo.state === "done" ? headline(photo.answer).text : t(`state.short.${photo.state}`);
  return el("button", {
    type: "button", class: `thumb ${photo.state}`, "data-focus": `photo-${photo.id}`,
    "aria-current": photo === chosen() ? "true" : null, on: { click: () => choose(photo) },
  }, thumbnail(photo), el("span", { class: "caption" }, words), el("span", { class: "unseen" }, photo.name));
}

function thumbnail(photo) {
  const none = () => el("span", { class: "no-picture", "aria-hidden": "true" }, "?");
  if (!photo.isShown) return none();
  const hide = () => {
    photo.isShown = false;
    image.replaceWith(none());
  };
  const image = el("img", { src: photo.url, alt: "", on: { error: hide } });
  return image;
}
