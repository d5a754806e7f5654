// The tab Live: what the service does now, from its metrics, over the last minute.

import { getText } from "./api.js";
import { el, fill, svg } from "./dom.js";
import { growth, histogram, parse, quantile, sum } from "./metrics.js";
import { bytes, decimal, t, whole } from "./text.js";

const EACH_MS = 2000;
/** Looks that a minute has. */
const LOOKS = 31;

let root = null;
let timer = 0;
let error = "";
/** @type {{ at: number, metrics: import("./metrics.js").Metrics }[]} */
const looks = [];
/** @type {Record<string, number[]>} */
const lines = {};

/** @param {HTMLElement} section */
export function start(section) {
  root = section;
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : enter()));
  enter();
}

/** Looks while the tab is seen. */
export function enter() {
  if (!root || root.hidden || timer) return;
  timer = setInterval(look, EACH_MS);
  look();
}

/** Nobody looks: nobody asks. */
export function leave() {
  clearInterval(timer);
  timer = 0;
}

async function look() {
  try {
    looks.push({ at: performance.now(), metrics: parse(await getText("metrics")) });
    if (looks.length > LOOKS) looks.shift();
    error = "";
  } catch (reason) {
    error = reason.message;
  }
  draw();
}

/** Draws the tab. */
export function draw() {
  if (!root) return;
  const head = el("header", { class: "lead" }, el("h1", {}, t("live.title")), el("p", { class: "quiet" }, t("live.lead")));
  const [first, last] = [looks[0], looks.at(-1)];
  if (!last) return fill(root, head, error ? el("p", { class: "error" }, error) : el("p", { class: "quiet" }, t("loading")));
  const seconds = Math.max((last.at - first.at) / 1000, EACH_MS / 1000);
  fill(root, head, error ? el("p", { class: "error" }, error) : null,
    el("div", { class: "tiles-live" }, requests(first.metrics, last.metrics, seconds), images(first.metrics, last.metrics, seconds), queue(last.metrics), workers(last.metrics), times(first.metrics, last.metrics), batches(first.metrics, last.metrics), refused(first.metrics, last.metrics), memory(last.metrics)));
}

/** Keeps a value for the line of the last minute; drawing again without a new look adds nothing. */
function line(name, value) {
  const kept = (lines[name] ??= []);
  if (kept.at !== looks.at(-1)) {
    kept.push(value);
    kept.at = looks.at(-1);
  }
  if (kept.length > LOOKS) kept.shift();
  const most = Math.max(...kept, Number.MIN_VALUE);
  const points = kept.map((v, place) => `${((place + LOOKS - kept.length) / (LOOKS - 1)) * 100},${38 - (34 * v) / most}`).join(" ");
  return svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("polyline", { points }));
}

const tile = (title, value, ...more) => el("section", { class: "tile-live" }, el("h2", {}, title), value === null ? null : el("p", { class: "value" }, value), more);
const rows = (caption, list) => el("table", {}, el("caption", { class: "unseen" }, caption), el("tbody", {}, list.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)))));

function requests(before, after, seconds) {
  const grown = growth(before, after, "googlenet_requests_total", "code");
  const per = (n) => decimal(n / seconds, n / seconds < 10 ? 1 : 0);
  const all = [...grown.values()].reduce((total, n) => total + n, 0);
  const codes = [...grown].filter(([, n]) => n > 0).sort();
  return tile(t("live.requests"), per(all), line("requests", all / seconds), rows(t("live.codes"), codes.map(([code, n]) => [code, per(n)])));
}

function images(before, after, seconds) {
  const { count } = histogram(before, after, "googlenet_decode_seconds");
  return tile(t("live.images"), decimal(count / seconds, count / seconds < 10 ? 1 : 0), line("images", count / seconds));
}

function queue(now) {
  const depth = sum(now, "googlenet_queue_depth");
  return tile(t("live.queue"), t("live.of", { n: whole(depth), of: whole(sum(now, "googlenet_queue_capacity")) }), line("queue", depth));
}

function workers(now) {
  const busy = sum(now, "googlenet_workers_busy");
  return tile(t("live.workers"), t("live.of", { n: whole(busy), of: whole(sum(now, "googlenet_workers")) }), line("workers", busy));
}

const milliseconds = (seconds) => (Number.isFinite(seconds) ? decimal(seconds * 1000, seconds < 0.01 ? 1 : 0) : "∞");

/** A quantile lies between two bounds: the page says which. */
function times(before, after) {
  const names = [["queue", "googlenet_queue_seconds"], ["decode", "googlenet_decode_seconds"], ["inference", "googlenet_inference_seconds"]];
  const between = (found) => (found ? t("live.between", { low: milliseconds(found.low), high: milliseconds(found.high) }) : "–");
  const line = ([name, metric]) => {
    const counted = histogram(before, after, metric);
    return el("tr", {}, el("th", { scope: "row" }, t(`time.${name}`)), [0.5, 0.95, 0.99].map((q) => el("td", {}, between(quantile(counted, q)))));
  };
  return el("section", { class: "tile-live wide" }, el("h2", {}, t("live.times")),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("live.times") }, el("table", {}, el("thead", {}, el("tr", {}, el("td", {}), ["p50", "p95", "p99"].map((text) => el("td", {}, text)))), el("tbody", {}, names.map(line)))));
}

function batches(before, after) {
  const { bounds, counts, sum: inputs, count } = histogram(before, after, "googlenet_batch_size");
  const found = counts.map((n, place) => [place && bounds[place] - bounds[place - 1] > 1 ? `${bounds[place - 1] + 1}–${bounds[place]}` : String(bounds[place]), n]).filter(([, n]) => n > 0);
  const most = Math.max(...found.map(([, n]) => n), 1);
  const bars = found.map(([size, n]) => [size, el("span", {}, whole(n), el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: "part", style: { width: `${(100 * n) / most}%` } })))]);
  return tile(t("live.batch"), count ? decimal(inputs / count, 2) : "–", rows(t("live.batches"), bars));
}

function refused(before, after) {
  const byReason = growth(before, after, "googlenet_rejected_total", "reason");
  const all = [...byReason.values()].reduce((total, n) => total + n, 0);
  return tile(t("live.refused"), whole(all), rows(t("live.reasons"), [...byReason].filter(([, n]) => n > 0).map(([reason, n]) => [reason, whole(n)])));
}

function memory(now) {
  const resident = sum(now, "process_resident_memory_bytes");
  return tile(t("live.memory"), bytes(resident), line("memory", resident), rows(t("live.memory"), [[t("live.connections"), whole(sum(now, "googlenet_connections"))]]));
}
