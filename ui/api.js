// Asks the service: errors as it words them, waiting where it says so, times as it measured them.

import { t } from "./text.js";

/** Tries of one request while the service is full. */
const MOST_TRIES = 5;
/** Between two of them, whatever the service says. */
const MOST_SECONDS = 300;

/** What went wrong, in words for the reader. */
export class ServiceError extends Error {
  constructor({ status, code, message, requestId = "", retryAfter = 0 }) {
    super(message);
    Object.assign(this, { status, code, requestId, retryAfter });
  }

  /** Whether the service did nothing and says that it may be asked again. */
  get isRefusal() {
    return this.status === 429 || this.status === 503;
  }
}

/**
 * @typedef {{ name: string, milliseconds: number }} Timing
 * @typedef {{ json: any, timings: Timing[], requestId: string, milliseconds: number }} Answer
 */

/** Whether the service answered the last time it was asked. */
export const reach = { isGone: false };

function reached(isThere) {
  if (reach.isGone === !isThere) return;
  reach.isGone = !isThere;
  window.dispatchEvent(new Event(isThere ? "back" : "gone"));
}

/** Says that the service did not answer something that was asked in another way. */
export const lost = () => reached(false);

/** The JSON at a path, which is relative so that a prefix of a proxy holds. */
export async function getJson(path, accept = "application/json") {
  return (await ask("GET", path, { accept })).json;
}

export async function getText(path) {
  return (await ask("GET", path, { accept: "text/plain", isText: true })).json;
}

/** Sends bytes and reads JSON; `onProgress` is told which part has been sent. */
export const post = (path, body, options = {}) => ask("POST", path, { ...options, body });

function ask(method, path, { accept = "application/json", isText = false, body = null, signal, onProgress } = {}) {
  return new Promise((resolve, reject) => {
    // fetch cannot say how much of a body has been sent.
    const request = new XMLHttpRequest();
    const started = performance.now();
    const abort = () => request.abort();
    request.open(method, path);
    request.setRequestHeader("Accept", accept);
    if (body) request.setRequestHeader("Content-Type", "application/octet-stream");
    if (onProgress) request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    request.onabort = () => reject(new DOMException("", "AbortError"));
    request.onerror = () => {
      reached(false);
      reject(new ServiceError({ status: 0, code: "gone", message: t("error.gone") }));
    };
    request.onload = () => {
      reached(true);
      try {
        resolve(answerOf(request, isText, performance.now() - started));
      } catch (error) {
        reject(error);
      }
    };
    if (signal?.aborted) return reject(new DOMException("", "AbortError"));
    signal?.addEventListener("abort", abort);
    request.send(body);
  });
}

/** @returns {Answer} */
function answerOf(request, isText, milliseconds) {
  const ok = request.status >= 200 && request.status < 300;
  const requestId = request.getResponseHeader("X-Request-Id") ?? "";
  let json = request.responseText;
  if (!isText || !ok) {
    try {
      json = JSON.parse(json);
    } catch {
      const { status } = request;
      throw new ServiceError({ status, code: "not_json", message: t("error.garbage", { status }), requestId });
    }
  }
  if (!ok) throw refusal(request, json, requestId);
  return { json, timings: timings(request.getResponseHeader("Server-Timing") ?? ""), requestId, milliseconds };
}

function refusal(request, json, requestId) {
  const { status } = request;
  return new ServiceError({
    status,
    code: typeof json?.code === "string" ? json.code : `status ${status}`,
    message: typeof json?.error === "string" ? json.error : t("error.garbage", { status }),
    requestId: typeof json?.request_id === "string" ? json.request_id : requestId,
    retryAfter: Number(request.getResponseHeader("Retry-After")) || 1,
  });
}

/**
 * The stages of `Server-Timing`: `decode;dur=1.2, queue;dur=0`.
 * @param {string} header
 * @returns {Timing[]}
 */
export function timings(header) {
  return header.split(",").flatMap((stage) => {
    const [name, ...parts] = stage.split(";").map((part) => part.trim());
    const duration = parts.find((part) => part.startsWith("dur="));
    const milliseconds = Number(duration?.slice(4));
    return name && duration && Number.isFinite(milliseconds) ? [{ name, milliseconds }] : [];
  });
}

/**
 * Sends again what was refused, when the service said that it may be. `onWait` gets the seconds left, each second, and what
 * ends the waiting.
 */
export async function patiently(send, { signal, onWait }) {
  for (let tries = 1; ; tries++) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof ServiceError) || !error.isRefusal || tries === MOST_TRIES) throw error;
      await countdown(Math.min(MOST_SECONDS, Math.max(1, Math.ceil(error.retryAfter))), signal, onWait);
    }
  }
}

export function countdown(seconds, signal, onWait) {
  return new Promise((resolve, reject) => {
    let left = seconds;
    const end = (settle) => {
      clearInterval(timer);
      signal?.removeEventListener("abort", aborted);
      settle();
    };
    const skip = () => end(resolve);
    const aborted = () => end(() => reject(new DOMException("", "AbortError")));
    const timer = setInterval(() => {
      left -= 1;
      if (left <= 0) return skip();
      onWait(left, skip);
    }, 1000);
    signal?.addEventListener("abort", aborted);
    onWait(left, skip);
  });
}
