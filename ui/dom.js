// Makes elements, and the parts of tables. Text stays text: nothing here, or anywhere on the page, parses HTML.

/**
 * An HTML element. `on` has its listeners, `style` what is set through the CSSOM; null and false leave an attribute
 * out, true is an empty one.
 * @returns {any}
 */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "style") {
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  const shown = children.flat(Infinity).filter((child) => child || child === 0);
  element.append(...shown.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** Replaces what is in `parent`. The focus stays on what has the same `data-focus`, or goes to the beginning. */
export function fill(parent, ...children) {
  const active = document.activeElement;
  const wasHere = parent.contains(active);
  const kept = wasHere && active.closest("[data-focus]")?.dataset.focus;
  parent.replaceChildren(...children.flat(Infinity).filter(Boolean));
  const same = kept && parent.querySelector(`[data-focus="${CSS.escape(kept)}"]`);
  if (wasHere) (same || document.getElementById("main")).focus({ preventScroll: true });
}

export function button(text, click, attributes = {}) {
  return el("button", { type: "button", on: { click }, "data-focus": text, ...attributes }, text);
}

/** A field for files that only its label shows; it can be given the same files again. */
export function fileField(id, attributes, take) {
  const change = ({ target }) => {
    take([...target.files]);
    target.value = "";
  };
  return el("input", { type: "file", id, class: "unseen", "data-focus": id, on: { change }, ...attributes });
}

export function announce(text) {
  const announcer = document.getElementById("announcer");
  if (announcer) announcer.textContent = text;
}

export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Copies text, also where the clipboard needs https and there is none. */
export async function copy(text) {
  if (navigator.clipboard?.writeText) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed: the older way may be.
    }
  }
  const area = el("textarea", { class: "unseen", "aria-hidden": "true", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

export function copyButton(label, done, text) {
  const made = button(label, async () => {
    if (!(await copy(text()))) return;
    made.textContent = done;
    announce(done);
    setTimeout(() => { made.textContent = label; }, 1500);
  });
  return made;
}

export const heads = (texts) => texts.map((text) => el("th", { scope: "col" }, text));

export const figureHeads = (texts) => texts.map((text) => el("th", { scope: "col", class: "figure" }, text));

export const figures = (values) => values.map((value) => el("td", { class: "figure" }, value));

/** A bar that is this part of its place, in 0..=1; what it shows stands beside it as text. */
export const bar = (part, kind = "", ...marks) =>
  el("span", { class: "bar", "aria-hidden": "true" }, part > 0 ? el("span", { class: `part ${kind}`, style: { width: `${100 * part}%` } }) : null, marks);

export const pairs = (caption, rows) => el("table", {},
  el("caption", { class: "unseen" }, caption),
  el("tbody", {}, rows.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)))));

/** What may be wider than the window: keys scroll it too. */
export const scrolled = (label, ...content) =>
  el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, content);
