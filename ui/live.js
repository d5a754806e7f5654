// The tab Live: what the service does now, from its metrics, over the last minute.

import { getText } from "./api.js";
import { bar, el, figureHeads, figures, fill, pairs, scrolled, svg } from "./dom.js";
import { growth, histogram, parse, quantile, sum } from "./metrics.js";
import { bytes, decimal, t, whole } from "./text.js";

const EACH_MS = 2000;
const LOOKS = 31;

let root = null;
let timer = 0;
let error = "";
/** @type {{ at: number, metrics: import("./metrics.js").Metrics }[]} */
const looks = [];
/** @type {Record<string, number[]>} */
const lines = {};

export function start(section) {
  root = section;
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : enter()));
  enter();
}

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

export function draw() {
  if (!root) return;
  const head = el("header", { class: "lead" }, el("h1", {}, t("live.title")), el("p", { class: "quiet" }, t("live.lead")));
  const [first, last] = [looks[0], looks.at(-1)];
  if (!last) return fill(root, head, error ? el("p", { class: "error" }, error) : el("p", { class: "quiet" }, t("loading")));
  const seconds = Math.max((last.at - first.at) / 1000, EACH_MS / 1000);
  const [before, now] = [first.metrics, last.metrics];
  fill(root, head, error ? el("p", { class: "error" }, error) : null, el("div", { class: "tiles-live" },
    requests(before, now, seconds), images(before, now, seconds), queue(now), workers(now), times(before, now), batches(before, now),
    refused(before, now), memory(now)));
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
  const x = (place) => ((place + LOOKS - kept.length) / (LOOKS - 1)) * 100;
  const points = kept.map((v, place) => `${x(place)},${38 - (34 * v) / most}`).join(" ");
  return svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("polyline", { points }));
}

const tile = (title, value, ...more) =>
  el("section", { class: "tile-live" }, el("h2", {}, title), el("p", { class: "value" }, value), more);
const of = (n, all) => t("live.of", { n: whole(n), of: whole(all) });

function requests(before, after, seconds) {
  const grown = growth(before, after, "googlenet_requests_total", "code");
  const per = (n) => decimal(n / seconds, n / seconds < 10 ? 1 : 0);
  const all = [...grown.values()].reduce((total, n) => total + n, 0);
  const codes = [...grown].filter(([, n]) => n > 0).sort();
  return tile(t("live.requests"), per(all), line("requests", all / seconds), pairs(t("live.codes"), codes.map(([code, n]) => [code, per(n)])));
}

function images(before, after, seconds) {
  const { count } = histogram(before, after, "googlenet_decode_seconds");
  return tile(t("live.images"), decimal(count / seconds, count / seconds < 10 ? 1 : 0), line("images", count / seconds));
}

function queue(now) {
  const depth = sum(now, "googlenet_queue_depth");
  return tile(t("live.queue"), of(depth, sum(now, "googlenet_queue_capacity")), line("queue", depth));
}

function workers(now) {
  const busy = sum(now, "googlenet_workers_busy");
  return tile(t("live.workers"), of(busy, sum(now, "googlenet_workers")), line("workers", busy));
}

const milliseconds = (seconds) => (Number.isFinite(seconds) ? decimal(seconds * 1000, seconds < 0.01 ? 1 : 0) : "∞");

/** A quantile lies between two bounds: the page says which. */
function times(before, after) {
  const between = (found) =>
    (found ? `${milliseconds(found.low)}–${milliseconds(found.high)}` : "–");
  const line = (name) => {
    const counted = histogram(before, after, `googlenet_${name}_seconds`);
    const parts = [0.5, 0.95, 0.99].map((q) => between(quantile(counted, q)));
    return el("tr", {}, el("th", { scope: "row" }, t(`time.${name}`)), figures(parts));
  };
  return el("section", { class: "tile-live wide" }, el("h2", {}, t("live.times")), scrolled(t("live.times"), el("table", {},
    el("thead", {}, el("tr", {}, el("td", {}), figureHeads(["p50", "p95", "p99"]))),
    el("tbody", {}, ["queue", "decode", "inference"].map(line)))));
}

function batches(before, after) {
  const { bounds, counts, sum: inputs, count } = histogram(before, after, "googlenet_batch_size");
  const sizes = (place) => {
    const least = place ? bounds[place - 1] + 1 : bounds[0];
    return least < bounds[place] ? `${least}–${bounds[place]}` : String(bounds[place]);
  };
  const most = Math.max(...counts, 1);
  const bars = counts.map((n, place) => [sizes(place), [whole(n), bar(n / most)]]).filter((_, place) => counts[place] > 0);
  return tile(t("live.batch"), count ? decimal(inputs / count, 2) : "–", pairs(t("live.batches"), bars));
}

function refused(before, after) {
  const byReason = growth(before, after, "googlenet_rejected_total", "reason");
  const all = [...byReason.values()].reduce((total, n) => total + n, 0);
  const reasons = [...byReason].filter(([, n]) => n > 0).map(([reason, n]) => [reason, whole(n)]);
  return tile(t("live.refused"), whole(all), pairs(t("live.reasons"), reasons));
}

function memory(now) {
  const resident = sum(now, "process_resident_memory_bytes");
  const connections = [[t("live.connections"), whole(sum(now, "googlenet_connections"))]];
  return tile(t("live.memory"), bytes(resident), line("memory", resident), pairs(t("live.connections"), connections));
}
