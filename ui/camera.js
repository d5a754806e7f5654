// The camera: shows what it sees with what the network makes of it, and takes pictures.

import { patiently, post } from "./api.js";
import { pngOf } from "./intake.js";
import { button, el } from "./dom.js";
import { percent, t } from "./text.js";
import { most } from "./services.js";
import { classified } from "./shape.js";

/** Longer side of what is sent, in pixels: the network sees far fewer. */
const SIDE = 640;
const PAUSE_MS = 250;

/** Whether this page may ask for a camera: browsers give it to https and to this machine only. */
export const isPossible = () => Boolean(navigator.mediaDevices?.getUserMedia);

/**
 * Opens the camera in a dialog; `take` gets each picture.
 * @param {(name: string, blob: Blob) => void} take
 */
export async function openCamera(take) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const video = el("video", { autoplay: true, playsinline: true, "aria-label": t("camera.picture") });
  video.muted = true;
  video.srcObject = stream;
  const seen = el("p", { class: "seen", role: "status" }, t("camera.looking"));
  const stop = new AbortController();
  const shoot = async () => {
    const blob = await frame(video);
    dialog.close();
    take(t("camera.name"), blob);
  };
  const dialog = el("dialog", { class: "camera", "aria-label": t("camera") },
    video, seen,
    el("div", { class: "row" }, button(t("camera.take"), shoot, { class: "main" }), button(t("close"), () => dialog.close())));
  dialog.addEventListener("close", () => {
    stop.abort();
    for (const track of stream.getTracks()) track.stop();
    dialog.remove();
  });
  // A page that nobody sees does not look.
  document.addEventListener("visibilitychange", () => document.hidden && dialog.close(), { signal: stop.signal });
  document.body.append(dialog);
  dialog.showModal();
  look(video, seen, stop.signal);
}

async function look(video, seen, signal) {
  while (!signal.aborted) {
    try {
      if (video.videoWidth) {
        const blob = await frame(video);
        const send = () => post(`classify?top_k=${most(3)}`, blob, { signal });
        const onWait = (left) => { seen.textContent = t("held", { n: left }); };
        const { predictions } = classified((await patiently(send, { signal, onWait })).json);
        seen.textContent = predictions.map((row) => `${row.label} ${percent(row.probability)}`).join(" · ");
      }
    } catch (error) {
      if (signal.aborted) return;
      seen.textContent = error.message;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function frame(video) {
  const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
  const side = (pixels) => Math.max(1, Math.round(pixels * scale));
  return pngOf(video, side(video.videoWidth), side(video.videoHeight));
}
