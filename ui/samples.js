// The pictures that come with the page: drawn by this project, so that anyone may try it without a photo at hand.

import { el } from "./dom.js";
import { add } from "./photos.js";
import { t } from "./text.js";

/** Names of the pictures; `sample.<name>` is what each is called. */
export const SAMPLES = ["daisy", "balloon", "mug", "ball", "light", "umbrella"];

const urlOf = (name) => `assets/sample-${name}.jpg`;

/** A picture as a photo of the page. */
export async function sample(name) {
  const answer = await fetch(urlOf(name));
  return { name: `${name}.jpg`, blob: await answer.blob(), sample: name };
}

/** The pictures as buttons that add what they show. */
export const sampleList = () =>
  el("ul", { class: "samples" }, SAMPLES.map((name) => el("li", {},
    el("button", { type: "button", class: "sample", on: { click: async () => add([await sample(name)]) } },
      el("img", { src: urlOf(name), alt: "", width: 160, height: 160 }), el("span", {}, t(`sample.${name}`))))));
