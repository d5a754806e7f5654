// The brush: paints over parts of the photo, and the painted picture is classified again.

import { blobOf } from "./intake.js";

/** Longer side of the painted picture, in pixels: more than the network sees. */
const SIDE = 768;
/** The grey that is nothing to the network: about the mean that it subtracts. */
const GREY = "rgb(123 117 104)";

/** What was painted on one photo: lines and boxes, their places in parts of the width and height. */
export class Painting {
  /** @param {ImageBitmapSource} source */
  constructor(source, width, height) {
    const scale = Math.min(1, SIDE / Math.max(width, height));
    this.source = source;
    this.width = Math.max(1, Math.round(width * scale));
    this.height = Math.max(1, Math.round(height * scale));
    /** @type {any[]} `{ size, points }` or `{ box }` */
    this.strokes = [];
  }

  draw(canvas, isWithPhoto) {
    canvas.width = this.width;
    canvas.height = this.height;
    const context = canvas.getContext("2d");
    if (isWithPhoto) context.drawImage(this.source, 0, 0, this.width, this.height);
    Object.assign(context, { fillStyle: GREY, strokeStyle: GREY, lineCap: "round", lineJoin: "round" });
    for (const stroke of this.strokes) this.#stroke(context, stroke);
  }

  #stroke(context, stroke) {
    if ("box" in stroke) {
      const [left, top, width, height] = stroke.box;
      return context.fillRect(left * this.width, top * this.height, width * this.width, height * this.height);
    }
    context.lineWidth = stroke.size * Math.max(this.width, this.height);
    context.beginPath();
    const [first, ...others] = stroke.points;
    context.moveTo(first[0] * this.width, first[1] * this.height);
    // A dot is a line to where it is.
    for (const [x, y] of others.length ? others : [first]) context.lineTo(x * this.width, y * this.height);
    context.stroke();
  }

  blob() {
    const canvas = document.createElement("canvas");
    this.draw(canvas, true);
    return blobOf(canvas);
  }
}

/** A canvas to paint on with a pointer; `done` is called at the end of each stroke. */
export function paintable(painting, size, done) {
  const canvas = document.createElement("canvas");
  canvas.className = "paint";
  canvas.setAttribute("aria-hidden", "true");
  painting.draw(canvas, false);
  let stroke = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return /** @type {[number, number]} */ ([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    stroke = { size: size(), points: [at(event)] };
    painting.strokes.push(stroke);
    painting.draw(canvas, false);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke) return;
    stroke.points.push(at(event));
    painting.draw(canvas, false);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (!stroke) return;
      stroke = null;
      done();
    });
  }
  return canvas;
}
