// The tab Inside: a walk from the photo to the answer, module by module, along the maps that the network made of it.

import { post, patiently } from "./api.js";
import * as address from "./address.js";
import { headlineView } from "./answer.js";
import { button, el, fill } from "./dom.js";
import { changes, chosen, photos, choose } from "./photos.js";
import { sampleList } from "./samples.js";
import { has } from "./services.js";
import { activations } from "./shape.js";
import { decimal, percent, plural, t, whole } from "./text.js";

const MAPS = 32;
/** The widest that one of them is drawn, in pixels. */
const TILE = 64;
/** The narrowest, for fingers. */
const TOUCHED = 28;
/** The width of a map over the photo, in pixels. */
const WIDE = 300;

let root = null;
/** Which map lies over the photo: the name of its module, and its place in the picture of the module's maps. */
let picked = { name: "", tile: -1 };

export function start(section) {
  root = section;
  changes.addEventListener("photos", () => !root.hidden && draw());
  draw();
}

export const enter = draw;

export function draw() {
  if (!root) return;
  const photo = chosen();
  fill(root,
    el("header", { class: "lead" }, el("h1", {}, t("inside.title")), el("p", { class: "quiet" }, t("inside.lead"))),
    photo ? [others(photo), walk(photo)] : sampleList());
}

function others(photo) {
  if (photos.length < 2) return null;
  const change = ({ target }) => choose(photos.find((other) => String(other.id) === target.value) ?? photo);
  return el("label", { class: "field" }, t("inside.photo"), el("select", { "data-focus": "inside-photo", on: { change } },
    photos.map((other) => el("option", { value: other.id, selected: other === photo }, other.name))));
}

function walk(photo) {
  const place = el("div", { class: "walk" }, el("p", { class: "quiet", role: "status" }, t("state.sending")));
  maps(photo, (text) => { if (place.isConnected) fill(place, el("p", { class: "held", role: "status" }, text)); }).then(
    (modules) => {
      photo.kept.modules = modules;
      fill(place, steps(photo, modules));
    },
    (error) => fill(place, el("p", { class: "error" }, error.message), el("div", {}, button(t("again"), () => retry(photo)))));
  return place;
}

function retry(photo) {
  delete photo.kept.maps;
  draw();
}

function maps(photo, say) {
  const send = () => post(`activations?channels=${MAPS}&sort=mean`, photo.blob);
  photo.kept.maps ??= patiently(send, { onWait: (left) => say(t("held", { n: left })) }).then(({ json }) => activations(json));
  return photo.kept.maps;
}

/** The photo with the picked map over it stays in sight beside the steps. */
function steps(photo, modules) {
  const side = el("div", { class: "looked-at" }, picture(photo), el("p", { class: "quiet small" }, t("inside.photo.about")));
  const show = (module, tile) => {
    picked = { name: module.name, tile };
    for (const other of root.querySelectorAll(".tile")) other.ariaPressed = String(isPicked(other.dataset.module, Number(other.dataset.tile)));
    fill(side, tileDetail(photo, module, tile));
  };
  const again = modules.find(({ name, channels }) => name === picked.name && picked.tile < channels);
  if (again) fill(side, tileDetail(photo, again, picked.tile));
  return [side, el("div", { class: "steps" },
    has("GET /model/filters") ? filters() : null,
    modules.map((module) => moduleStep(module, show)),
    photo.state === "done" && photo.answer ? step("answer", el("div", { class: "sheet" },
      headlineView(photo), el("a", { href: address.hash("classify") }, t("inside.evidence")))) : null)];
}

const isPicked = (name, tile) => picked.name === name && picked.tile === tile;

/** A network whose first layer does not read colours has none to show. */
function filters() {
  const image = el("img", { src: "model/filters", alt: t("inside.filters"), on: { error: () => made.remove() } });
  const made = step("filters", el("div", { class: "sprite filters" }, image));
  return made;
}

function picture({ isShown, url, name }) {
  return isShown ? el("div", { class: "over" }, el("img", { src: url, alt: t("photo.alt", { name }) })) : el("p", {}, name);
}

const step = (name, ...content) => el("section", { class: "walk-step" },
  el("h2", {}, t(`inside.${name}`)), el("p", { class: "quiet small" }, t(`inside.${name}.about`)), content);

function moduleStep(module, show) {
  const { name, height, width, channels, milliseconds, zeros, silent } = module;
  const facts = [
    t("inside.size", { height, width, channels: whole(channels) }),
    Number.isFinite(milliseconds) ? `${decimal(milliseconds)} ms` : null,
    Number.isFinite(zeros) ? t("inside.zeros", { part: percent(zeros) }) : null,
    Number.isFinite(silent) ? plural("inside.silent", silent) : null,
  ];
  return el("section", { class: "walk-step" },
    el("h2", {}, name), el("p", { class: "quiet small" }, facts.filter(Boolean).join(" · ")),
    sprite(module, (tile) => show(module, tile)));
}

function sprite(module, pick) {
  const { name, sprite: { columns, png } } = module;
  const n = Math.min(MAPS, module.channels);
  const rows = Math.ceil(n / columns);
  const tiles = Array.from({ length: n }, (_, tile) => el("button", {
    type: "button", class: "tile", tabindex: tile === 0 ? "0" : "-1", "data-tile": tile, "data-module": name,
    "aria-label": tileName(module, tile), "aria-pressed": String(isPicked(name, tile)),
  }));
  const style = { "grid-template-columns": `repeat(${columns}, 1fr)`, "grid-template-rows": `repeat(${rows}, 1fr)` };
  const box = el("div", { class: "tiles", role: "group", "aria-label": t("inside.maps", { name }), style }, tiles);
  const go = (tile) => {
    tiles.forEach((other, place) => { other.tabIndex = place === tile ? 0 : -1; });
    pick(tile);
  };
  box.addEventListener("click", (event) => { const tile = event.target.dataset?.tile; if (tile) go(Number(tile)); });
  box.addEventListener("keydown", (event) => {
    const tile = Number(event.target.dataset?.tile);
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const to = tile + move;
    if (!move || to < 0 || to >= n) return;
    event.preventDefault();
    go(to);
    tiles[to].focus();
  });
  const widths = { "max-width": `${columns * TILE}px`, "min-width": `${columns * TOUCHED}px` };
  return el("div", { class: "scroll" },
    el("div", { class: "sprite", style: widths }, el("img", { src: `data:image/png;base64,${png}`, alt: "" }), box));
}

/** Which channel a tile is: the sprite has them in the order of the list. */
function tileName(module, tile) {
  const { channel, branch } = module.largest?.[tile] ?? {};
  if (channel === undefined) return t("inside.map", { n: tile + 1 });
  return branch ? t("inside.channel.branch", { n: channel, branch }) : t("inside.channel", { n: channel });
}

function tileDetail(photo, module, tile) {
  const canvas = el("canvas", { role: "img", "aria-label": tileName(module, tile) });
  lay(canvas, photo, module, tile).catch(() => canvas.remove());
  const row = module.largest?.[tile];
  const facts = row ? ` · ${t("inside.largest", { mean: decimal(row.mean, 2), max: decimal(row.max, 1) })}` : "";
  return [el("div", { class: "over" }, canvas), el("p", { class: "small" }, `${module.name} · ${tileName(module, tile)}${facts}`)];
}

async function lay(canvas, photo, { height, width, sprite: { columns, png } }, tile) {
  const picture = new Image();
  picture.src = `data:image/png;base64,${png}`;
  await picture.decode();
  const map = document.createElement("canvas");
  Object.assign(map, { width, height });
  const small = map.getContext("2d");
  small.drawImage(picture, (tile % columns) * width, Math.floor(tile / columns) * height, width, height, 0, 0, width, height);
  const pixels = small.getImageData(0, 0, width, height);
  const most = Math.max(1, ...pixels.data.filter((_, place) => place % 4 === 0));
  for (let at = 0; at < pixels.data.length; at += 4) {
    const part = pixels.data[at] / most;
    pixels.data.set([255, 150, 40, Math.round(225 * part)], at);
  }
  small.putImageData(pixels, 0, 0);
  await drawOver(canvas, photo, map);
}

async function drawOver(canvas, photo, map) {
  const source = photo.isShown ? await createImageBitmap(photo.blob) : map;
  const { left, top, width, height } = photo.answer?.image.crop ?? { left: 0, top: 0, width: source.width, height: source.height };
  Object.assign(canvas, { width: WIDE, height: Math.round((WIDE * height) / width) });
  const context = canvas.getContext("2d");
  if (photo.isShown) {
    context.filter = "grayscale(1) brightness(0.7)";
    context.drawImage(source, left, top, width, height, 0, 0, canvas.width, canvas.height);
    context.filter = "none";
  }
  context.drawImage(map, 0, 0, canvas.width, canvas.height);
}
