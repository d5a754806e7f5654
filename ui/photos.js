// The photos on the page, and which of them is looked at. They stay in this browser but for the copy that is classified.

import { post, patiently, ServiceError } from "./api.js";
import { has, most, withoutEvidence } from "./services.js";
import { classified } from "./shape.js";

/** Requests on the way at a time. */
const AT_ONCE = 2;
/** Classes that are asked for: the most that may come with evidence. */
const CLASSES = 10;

/** Times that a photo is sent anew by itself because the service did not answer. */
const MOST_STALLS = 5;

/** @typedef {ReturnType<typeof photoOf>} Photo */

/** @type {Photo[]} */
export const photos = [];
/** @type {Photo | null} */
let looked = null;
let made = 0;

/** Says `photos` when the list or a state changed, `photo` with progress of one. */
export const changes = new EventTarget();

let isPressed = false;
let isLate = false;

function say(event) {
  if (isPressed && event === "photos") isLate = true;
  else changes.dispatchEvent(new Event(event));
}

// A button that is replaced while it is pressed is not clicked: what is said meanwhile is said late.
window.addEventListener("pointerdown", ({ button, ctrlKey }) => { isPressed = button === 0 && !ctrlKey; });
for (const end of ["pointerup", "pointercancel"]) {
  window.addEventListener(end, () => {
    isPressed = false;
    // After the click.
    if (isLate) setTimeout(say, 0, "photos");
    isLate = false;
  });
}

export const chosen = () => looked;

export function choose(photo) {
  looked = photo;
  say("photos");
}

/**
 * Adds photos and classifies them; the first is looked at.
 * @param {{ name: string, blob: Blob, sample?: string, note?: string }[]} taken
 */
export function add(taken) {
  const fresh = taken.map(({ name, blob, sample = "", note = "" }) => photoOf(name, blob, sample, note));
  photos.push(...fresh);
  if (fresh.length) looked = fresh[0];
  say("photos");
  pump();
}

/** States: waiting, sending, held (the service is full), stalled (it does not answer), done, failed. */
function photoOf(name, blob, sample, note) {
  const url = URL.createObjectURL(blob);
  /** What belongs to the picture that is sent, such as its maps. @type {Record<string, any>} */
  const kept = {};
  return {
    id: ++made, name, blob, url, sample, note, isShown: true, width: 0, height: 0, state: "waiting", part: 0, left: 0,
    skip: null, stop: null, answer: null, raw: null, error: null, timings: [], milliseconds: 0, original: null, kept,
    painting: null, firstBlob: null, stalls: 0,
  };
}

/** Takes a photo away; what is still computed for it is given up. */
export function remove(photo) {
  photo.stop?.abort();
  URL.revokeObjectURL(photo.url);
  const place = photos.indexOf(photo);
  if (place >= 0) photos.splice(place, 1);
  if (looked === photo) looked = photos[Math.min(place, photos.length - 1)] ?? null;
  say("photos");
  pump();
}

export function clear() {
  for (const photo of [...photos]) remove(photo);
}

export function again(photo) {
  Object.assign(photo, { state: "waiting", error: null });
  say("photos");
  pump();
}

/** Asks about another picture in place of a photo: what the brush made of it. */
export function replaceBlob(photo, blob) {
  photo.stop?.abort();
  photo.blob = blob;
  photo.kept = {};
  again(photo);
}

export function classifyPath() {
  const wanted = new URLSearchParams({ top_k: String(most(CLASSES)), groups: "true" });
  if (has("POST /explain")) wanted.set("explain", "cam");
  return `classify?${wanted}`;
}

window.addEventListener("back", () => {
  for (const photo of photos) if (photo.state === "stalled") photo.state = "waiting";
  say("photos");
  pump();
});

function pump() {
  const isBusy = (photo) => photo.state === "sending" || photo.state === "held";
  while (photos.filter(isBusy).length < AT_ONCE) {
    const waiting = looked?.state === "waiting" ? looked : photos.find((photo) => photo.state === "waiting");
    if (!waiting) return;
    run(waiting);
  }
}

/** @param {Photo} photo */
async function run(photo) {
  const stop = new AbortController();
  Object.assign(photo, { state: "sending", part: 0, stop, error: null });
  say("photos");
  const send = () => {
    photo.state = "sending";
    photo.skip = null;
    say("photos");
    return post(classifyPath(), photo.blob, { signal: stop.signal, onProgress: (part) => { photo.part = part; say("photo"); } });
  };
  const onWait = (left, skip) => {
    const isNew = photo.state !== "held";
    Object.assign(photo, { state: "held", left, skip });
    say(isNew ? "photos" : "photo");
  };
  try {
    const { json, timings, milliseconds } = await patiently(send, { signal: stop.signal, onWait });
    Object.assign(photo, { answer: classified(json), raw: json, timings, milliseconds, state: "done", stalls: 0 });
    photo.original ??= photo.answer;
  } catch (error) {
    if (photo.stop === stop) failed(photo, error);
  }
  say("photos");
  pump();
}

function failed(photo, error) {
  if (error.name === "AbortError") {
    if (photo.state !== "waiting") photo.state = photo.answer ? "done" : "failed";
    photo.error = photo.answer ? null : new ServiceError({ status: 0, code: "cancelled", message: "" });
    return;
  }
  if (has("POST /explain") && ["not_explainable", "invalid_parameter"].includes(error.code)) {
    // This network has no evidence to show, or the service was told to give none: everything else stands.
    withoutEvidence(error.code === "not_explainable");
    photo.state = "waiting";
    return;
  }
  const isOwn = error instanceof ServiceError;
  photo.error = isOwn ? error : new ServiceError({ status: 0, code: "page", message: String(error.message ?? error) });
  photo.stalls = error.code === "gone" ? photo.stalls + 1 : 0;
  photo.state = photo.stalls > 0 && photo.stalls < MOST_STALLS ? "stalled" : "failed";
}
