// The pictures that come with the page: drawn by this project, so that anyone may try it without a photo at hand.

import { lost } from "./api.js";
import { el } from "./dom.js";
import { add } from "./photos.js";
import { t } from "./text.js";

/** Names of the pictures; `sample.<name>` is what each is called. */
export const SAMPLES = ["daisy", "balloon", "mug", "ball", "light", "umbrella"];

const urlOf = (name) => `assets/sample-${name}.jpg`;

export async function show(name) {
  try {
    const answer = await fetch(urlOf(name));
    add([{ name: `${name}.jpg`, blob: await answer.blob(), sample: name }]);
  } catch {
    lost();
  }
}

export const sampleList = () =>
  el("ul", { class: "samples" }, SAMPLES.map((name) => el("li", {},
    el("button", { type: "button", class: "sample", on: { click: () => show(name) } },
      el("img", { src: urlOf(name), alt: "", width: 160, height: 160 }), el("span", {}, t(`sample.${name}`))))));
