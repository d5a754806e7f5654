// The pictures that come with the page: drawn by this project, so that anyone may try it without a photo at hand.

/** Names of the pictures; `sample.<name>` is what each is called. */
export const SAMPLES = ["daisy", "balloon", "mug", "ball", "light", "umbrella"];

/** Where a picture is. */
export const sampleUrl = (name) => `assets/sample-${name}.jpg`;

/** A picture as a photo of the page. */
export async function sample(name) {
  const answer = await fetch(sampleUrl(name));
  return { name: `${name}.jpg`, blob: await answer.blob(), sample: name };
}
