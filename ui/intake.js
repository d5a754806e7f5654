// Ways for photos into the page: choosing, dropping, pasting. What a browser alone can read is sent as PNG.

import { announce } from "./dom.js";
import { t } from "./text.js";

/** Formats that the service does not read and some browsers do. */
const FOR_BROWSERS = /^image\/(avif|heic|heif|jxl)$/;
const PHOTO_NAME = /\.(jpe?g|png|gif|webp|bmp|tiff?|avif|hei[cf]|jxl)$/i;

export const isPhoto = (file) => file.type.startsWith("image/") || (file.type === "" && PHOTO_NAME.test(file.name));

/**
 * What can be classified of these files, and the names of the others.
 * @param {Iterable<File>} files
 */
export async function taken(files) {
  const list = [...files];
  const photos = [];
  for (const file of list.filter(isPhoto)) photos.push(await readable(file));
  return { photos, refused: list.filter((file) => !isPhoto(file)).map((file) => file.name) };
}

export async function readable(file) {
  const name = file.name || "image.png";
  const isForBrowsers = FOR_BROWSERS.test(file.type) || /\.(avif|hei[cf]|jxl)$/i.test(name);
  if (!isForBrowsers) return { name, blob: file };
  try {
    const bitmap = await createImageBitmap(file);
    const blob = await pngOf(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
    return { name, blob, note: t("note.converted") };
  } catch {
    // The service names the format when it refuses it.
    return { name, blob: file };
  }
}

export function pngOf(picture, width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(picture, 0, 0, width, height);
  return blobOf(canvas);
}

export async function blobOf(canvas) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error(t("error.canvas"));
  return blob;
}

/** The files of a drop or of the clipboard, once each. */
function filesOf(transfer) {
  const files = [...(transfer?.files ?? [])];
  const items = [...(transfer?.items ?? [])].filter((item) => item.kind === "file");
  return files.length ? files : items.map((item) => item.getAsFile()).filter(Boolean);
}

/**
 * Takes drops anywhere on the window, and pastes outside of text fields.
 * @param {(files: File[], transfer: DataTransfer | null) => void} take
 */
export function listen(take) {
  const frame = document.getElementById("drop");
  const words = document.getElementById("drop-text");
  let depth = 0;
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (isShown) => { frame.hidden = !isShown; };
  window.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth += 1;
    words.textContent = dragText(event.dataTransfer);
    show(true);
  });
  window.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  window.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth = Math.max(0, depth - 1);
    show(depth > 0);
  });
  window.addEventListener("drop", (event) => {
    depth = 0;
    show(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    take(filesOf(event.dataTransfer), event.dataTransfer);
  });
  window.addEventListener("paste", (event) => {
    const isInText = event.target instanceof Element && event.target.closest("input:not([type=file]), textarea");
    const files = filesOf(event.clipboardData);
    if (isInText || !files.length) return;
    event.preventDefault();
    announce(t("paste.taken"));
    take(files, null);
  });
}

/** What a drag over the page would bring: the browser tells types, not yet names. */
function dragText(transfer) {
  const items = [...(transfer?.items ?? [])].filter((item) => item.kind === "file");
  const types = items.map((item) => item.type);
  const others = [...new Set(types.filter((type) => type && !type.startsWith("image/")))];
  if (!items.length) return t("drop.here");
  if (others.length) return t("drop.refused", { types: others.join(", ") });
  return items.length === 1 ? t("drop.one") : t("drop.many", { n: items.length });
}

/** The picture in the clipboard, asked for by a button; null if there is none. */
export async function pasted() {
  const items = await navigator.clipboard.read();
  for (const item of items) {
    const type = item.types.find((name) => name.startsWith("image/"));
    if (type) return new File([await item.getType(type)], t("paste.name"), { type });
  }
  return null;
}
