// The answer for one photo: what the network is sure of, the classes as a table of bars, and the answer to take away.

import { bar, button, copyButton, el } from "./dom.js";
import { classifyPath } from "./photos.js";
import { services } from "./services.js";
import { decimal, groupName, percent, signed, t, whole } from "./text.js";

const FIRST = 5;

/** A name that the model gives: on a page in Korean what is English is marked, for those who hear it. */
export const named = (text) => el("span", { lang: /^[ -~]+$/.test(text) ? "en" : null }, text);

/** The one sentence of an answer: the class or group that the network is sure of, or its best guess. */
export function headline({ sure, predictions }) {
  const best = predictions[0];
  if (sure && sure.level !== "none" && sure.label) return { text: groupName(sure.label), p: sure.probability, isSure: true };
  if (!best) return { text: t("answer.nothing"), p: 0, isSure: false };
  return { text: best.label, p: best.probability, isSure: !sure };
}

export function headlineView(photo) {
  const { text, p, isSure } = headline(photo.answer);
  const { sure, predictions, groups } = photo.answer;
  const best = predictions[0];
  const isGroup = sure?.level === "group" && best && best.label !== sure.label;
  return el("header", { class: "headline" },
    el("h2", {},
      isSure ? null : el("span", { class: "eyebrow" }, t("answer.unsure"), " "),
      named(text), " ", el("span", { class: "figure" }, percent(p))),
    isSure || !services.classes ? null : el("p", { class: "quiet" }, t("answer.must", { n: whole(services.classes) })),
    isGroup ? el("p", { class: "quiet" }, t("answer.guess", { label: best.label, p: percent(best.probability) })) : null,
    path(photo.answer, groups));
}

/**
 * The groups as a path, from the narrowest on: they overlap, so they are no bars that add up. Two that are each more
 * probable than not have classes in common, so those lie on one path.
 */
function path(answer, groups) {
  const steps = groups.filter((group) => group.probability > 0.5)
    .sort((a, b) => a.probability - b.probability || a.classes - b.classes)
    .map((group) => ({ label: groupName(group.label), p: group.probability }));
  const best = answer.predictions[0];
  if (best?.probability > 0.5) steps.unshift({ label: best.label, p: best.probability });
  const isNews = steps.length > 1;
  return isNews ? el("ol", { class: "path", "aria-label": t("answer.path") },
    steps.map(({ label, p }) => el("li", {}, named(label), " ", el("span", { class: "figure quiet" }, percent(p))))) : null;
}

export function classesView(photo, { isLong, toggle }) {
  const { predictions } = photo.answer;
  const before = photo.original !== photo.answer ? photo.original : null;
  const was = new Map((before?.predictions ?? []).map((row) => [row.class, row.probability]));
  const rows = predictions.slice(0, isLong ? predictions.length : FIRST);
  const row = (prediction) => el("tr", {},
    el("th", { scope: "row", title: [...prediction.labels.slice(1), prediction.id].filter(Boolean).join(", ") || null },
      el("span", { class: "name" }, named(prediction.label)), bar(prediction.probability, "", mark(was.get(prediction.class)))),
    el("td", { class: "figure" }, percent(prediction.probability)),
    before ? el("td", { class: "figure quiet" }, was.has(prediction.class) ? percent(was.get(prediction.class)) : "") : null);
  return el("div", { class: "classes" },
    el("table", { class: "bars" },
      el("caption", { class: "unseen" }, t("classes.caption")),
      el("thead", { class: before ? "" : "unseen" }, el("tr", {},
        el("th", { scope: "col" }, t("classes.class")),
        el("th", { scope: "col", class: "figure" }, before ? t("classes.now") : t("classes.probability")),
        before ? el("th", { scope: "col", class: "figure" }, t("classes.before")) : null)),
      el("tbody", {}, rows.map(row))),
    predictions.length > FIRST
      ? button(isLong ? t("classes.fewer") : t("classes.more", { n: predictions.length }), toggle,
        { class: "link", "aria-expanded": String(isLong), "data-focus": "more" })
      : null);
}

const mark = (before) => (before === undefined ? null : el("span", { class: "mark", style: { left: `${before * 100}%` } }));

export function timesView({ timings, milliseconds }) {
  const known = timings.filter(({ name }) => t(`time.${name}`) !== `time.${name}`);
  const total = known.reduce((sum, stage) => sum + stage.milliseconds, 0);
  const stage = (name, ms) => el("div", {}, el("dt", {}, t(`time.${name}`)), el("dd", { class: "figure" }, `${decimal(ms)} ms`));
  return el("dl", { class: "times", "aria-label": t("time.title") },
    known.map((one) => stage(one.name, one.milliseconds)), stage("way", Math.max(0, milliseconds - total)));
}

export function takeAway(photo, link) {
  return el("div", { class: "row takeaway" },
    copyButton(t("copy.curl"), t("copied"), () => curl(photo.name, new URL(classifyPath(), document.baseURI).href)),
    copyButton(t("copy.json"), t("copied"), () => JSON.stringify(photo.raw, null, 2)),
    copyButton(t("copy.table"), t("copied"), () => table(photo.answer.predictions)),
    copyButton(photo.sample ? t("copy.link") : t("copy.view"), t("copied"), link));
}

/** The command that asks the same; a name is whatever a stranger's file is called. */
export function curl(name, url) {
  const file = quoted(`@${name.startsWith("-") ? "./" : ""}${name}`);
  return `curl --data-binary ${file} -H 'Content-Type: application/octet-stream' ${quoted(url)}`;
}

/** Control characters would mean something to the terminal that it is pasted into. */
const quoted = (text) => `'${text.replace(/\p{Cc}/gu, "?").replaceAll("'", "'\\''")}'`;

function table(predictions) {
  const rows = predictions.map((row) => [row.class, row.id, row.label, row.probability]);
  return [["class", "id", "label", "probability"], ...rows].map((row) => row.join("\t")).join("\n");
}

export function cautions({ answer, note }) {
  const { model, image } = answer;
  const lines = [];
  if (model.trained === false) lines.push(t("caution.untrained"));
  if (services.isUnexplainable) lines.push(t("caution.unexplainable"));
  for (const warning of image.warnings) lines.push(t(`caution.${warning}`));
  if (note) lines.push(note);
  return lines.length ? el("ul", { class: "cautions" }, lines.map((line) => el("li", {}, line))) : null;
}

/** A sum in words: 18.4 = bias −0.1 + squares +18.5. */
export const sumText = (parts) => parts.map(([name, value]) => `${name} ${signed(value)}`).join(" + ");
