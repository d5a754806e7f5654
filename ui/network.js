// The tab Network: the served network drawn from its summary and its layers, with Table 1 of the paper beside it.

import { getJson } from "./api.js";
import { button, el, fill, svg } from "./dom.js";
import { TABLE_1, operations, parameters } from "./paper.js";
import { receptiveFields } from "./receptive.js";
import { services } from "./services.js";
import { summary } from "./shape.js";
import { percent, short, t, whole } from "./text.js";

/** Sides of the largest drawn map, in pixels. */
const DRAWN = 76;

let root = null;
/** @type {any} */
let model = null;
/** @type {any[]} */
let layers = [];
/** @type {Map<string, number>} */
let fields = new Map();
let chosenName = "";
let error = "";

/** @param {HTMLElement} section */
export function start(section) {
  root = section;
  fill(root, el("p", { class: "quiet" }, t("loading")));
  enter();
}

/** Asks for the network once. */
export async function enter() {
  if (model) return;
  try {
    model = services.summary ?? summary(await getJson("model/summary"));
    const listed = (await getJson("model/layers")).layers;
    layers = Array.isArray(listed) ? listed.filter((layer) => typeof layer?.name === "string") : [];
    fields = receptiveFields(layers);
    chosenName = model.modules.find((row) => row.branches)?.name ?? "";
    error = "";
  } catch (reason) {
    model = null;
    error = reason.message;
  }
  draw();
}

/** Draws the tab. */
export function draw() {
  if (!root) return;
  if (!model) return fill(root, el("h1", {}, t("tab.network")), el("p", { class: "error" }, error), button(t("again"), enter));
  fill(root,
    el("header", { class: "lead" }, el("h1", {}, t("network.title", { name: model.name })), el("p", { class: "quiet" }, t("network.lead"))),
    facts(), el("div", { class: "sheet" }, el("h2", {}, t("network.flow")), flow()),
    moduleSheet(), table(), paper());
}

function facts() {
  const input = model.input?.shape?.slice(-2).join(" × ") ?? "";
  const rows = [
    [t("network.parameters"), whole(model.parameters)], [t("network.mac"), whole(model.multiply_adds)],
    [t("network.classes"), whole(model.classes)], [t("network.input"), input], [t("network.precision"), model.precision],
  ];
  return el("dl", { class: "facts" }, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

const sideOf = (row) => (row.output?.length === 3 ? Math.max(row.output[0], row.output[1]) : 1);
const shape = (dims) => (Array.isArray(dims) ? dims.join(" × ") : "?");

/** The maps as they become smaller and deeper: height is the side of a map, width its channels. */
function flow() {
  const rows = model.modules;
  const side = Math.max(...rows.map(sideOf));
  const channels = Math.max(...rows.map((row) => row.output?.at(-1) ?? 1));
  const block = (row) => {
    const height = Math.max(3, DRAWN * Math.sqrt(sideOf(row) / side));
    const width = Math.max(4, 30 * Math.sqrt((row.output?.at(-1) ?? 1) / channels));
    return svg("svg", { width: 34, height: DRAWN + 4, "aria-hidden": "true" },
      svg("rect", { class: `block ${row.kind}`, x: 17 - width / 2, y: DRAWN + 2 - height, width, height, rx: 3 }));
  };
  const label = (row) => row.name.replace(/^inception_/, "").split("/")[0];
  return el("div", { class: "flow", role: "group", "aria-label": t("network.flow") }, rows.map((row) =>
    el("button", { type: "button", title: `${row.name}: ${shape(row.output)}`, "aria-label": `${row.name}, ${shape(row.output)}`, "aria-pressed": String(row.name === chosenName), "data-focus": `flow-${row.name}`, on: { click: () => pick(row.name) } },
      block(row), row.branches || sideOf(row) === 1 || row.parameters ? el("span", {}, label(row)) : el("span", {}, "·"))));
}

function pick(name) {
  chosenName = name;
  draw();
}

/** The module that was clicked: its branches, its six numbers, what the reductions save; and its layers. */
function moduleSheet() {
  const row = model.modules.find((module) => module.name === chosenName);
  if (!row) return null;
  const own = layers.filter((layer) => layer.module === row.name);
  return el("section", { class: "sheet", id: "module" },
    el("h2", {}, row.name),
    el("p", { class: "quiet" }, t("module.facts", { input: shape(row.input), output: shape(row.output), parameters: whole(row.parameters), mac: whole(row.multiply_adds) }),
      fields.has(row.name) ? ` ${t("module.field", { n: whole(fields.get(row.name)) })}` : ""),
    row.branches ? branches(row, own) : null,
    row.parameters_without_reduction ? el("p", {}, t("module.saving", {
      now: whole(row.parameters), without: whole(row.parameters_without_reduction), saved: percent(1 - row.parameters / row.parameters_without_reduction) })) : null,
    own.length ? el("details", {}, el("summary", {}, t("module.layers", { n: own.length })), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("module.layers", { n: own.length }) }, layerTable(own))) : null);
}

const cells = (texts) => texts.map((text) => el("td", { class: "figure" }, text));

function layerTable(own) {
  return el("table", { class: "grid-table" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("layer.name")), el("th", { scope: "col" }, t("layer.operator")),
      ["layer.kernel", "layer.stride", "network.output", "network.parameters", "network.mac"].map((key) => el("th", { scope: "col", class: "figure" }, t(key))))),
    el("tbody", {}, own.map((layer) => el("tr", {}, el("th", { scope: "row" }, layer.name), el("td", {}, layer.operator),
      cells([layer.kernel ? shape(layer.kernel) : "", layer.stride ? shape(layer.stride) : "", shape(layer.output), whole(layer.parameters), whole(layer.multiply_adds)])))));
}

/** The four branches side by side, drawn from what the layers say of themselves. */
function branches(row, own) {
  const { o_1, r_3, o_3, r_5, o_5, pool } = row.branches;
  const input = row.input?.at(-1) ?? "?";
  const kernel = (branch, fallback) => {
    const sizes = own.filter((layer) => layer.branch === branch && Array.isArray(layer.kernel)).map((layer) => layer.kernel.join("×"));
    return sizes.length ? sizes : fallback;
  };
  const columns = [
    [[kernel("1x1", ["1×1"]).at(-1), o_1]],
    [[kernel("3x3", ["1×1", "3×3"])[0], r_3], [kernel("3x3", ["1×1", "3×3"]).at(-1), o_3]],
    [[kernel("5x5", ["1×1", "5×5"])[0], r_5], [kernel("5x5", ["1×1", "5×5"]).at(-1), o_5]],
    [[t("module.pool", { size: kernel("pool", ["3×3", "1×1"])[0] }), null], [kernel("pool", ["3×3", "1×1"]).at(-1), pool]],
  ];
  const [width, step, box] = [860, 215, 190];
  const draw = ([name, channels], x, y) => svg("g", { class: channels === null ? "" : "conv" },
    svg("rect", { x, y, width: box, height: 44, rx: 9 }),
    svg("text", { x: x + box / 2, y: y + 27, "text-anchor": "middle" }, channels === null ? name : t("module.conv", { size: name, channels: whole(channels) })));
  const line = (x1, y1, x2, y2) => svg("path", { d: `M${x1} ${y1}C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}` });
  const bottom = 262;
  const parts = columns.flatMap((column, place) => {
    const x = place * step + (step - box) / 2;
    const centre = x + box / 2;
    if (column.length === 1) return [line(width / 2, 40, centre, 82), draw(column[0], x, 82), line(centre, 126, centre, 206), line(centre, 206, width / 2, bottom)];
    return [line(width / 2, 40, centre, 82), draw(column[0], x, 82), line(centre, 126, centre, 162), draw(column[1], x, 162), line(centre, 206, width / 2, bottom)];
  });
  const spoken = t("module.spoken", { input, o_1, r_3, o_3, r_5, o_5, pool, output: row.output?.at(-1) ?? "?" });
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("module.branches") },
    svg("svg", { class: "branches", viewBox: `0 0 ${width} 300`, role: "img", "aria-label": spoken },
      parts,
      svg("text", { x: width / 2, y: 28, "text-anchor": "middle" }, t("module.in", { n: input })),
      svg("text", { x: width / 2, y: bottom + 24, "text-anchor": "middle" }, t("module.out", { sum: [o_1, o_3, o_5, pool].join(" + "), n: row.output?.at(-1) ?? "?" }))));
}

/** All modules. */
function table() {
  const most = (key) => Math.max(...model.modules.map((row) => row[key]), 1);
  const [parameterMost, macMost] = [most("parameters"), most("multiply_adds")];
  const amount = (value, of) => el("td", { class: "figure" }, short(value), el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: "part", style: { width: `${(100 * value) / of}%` } })));
  return el("section", { class: "sheet" }, el("h2", {}, t("network.modules")),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("network.modules") }, el("table", { class: "grid-table" },
      el("thead", {}, el("tr", {}, ["network.module", "network.kind"].map((key) => el("th", { scope: "col" }, t(key))),
        ["network.output", "network.parameters", "network.mac", "network.field"].map((key) => el("th", { scope: "col", class: "figure" }, t(key))))),
      el("tbody", {}, model.modules.map((row) => el("tr", {},
        el("th", { scope: "row" }, button(row.name, () => { pick(row.name); document.getElementById("module")?.scrollIntoView({ block: "nearest" }); }, { class: "link", "data-focus": `row-${row.name}` })),
        el("td", { class: "quiet" }, row.kind.replaceAll("_", " ")),
        el("td", { class: "figure" }, shape(row.output)), amount(row.parameters, parameterMost), amount(row.multiply_adds, macMost),
        el("td", { class: "figure" }, fields.has(row.name) ? t("network.pixels", { n: whole(fields.get(row.name)) }) : "")))))),
    el("p", { class: "quiet small" }, t("network.field.meaning")));
}

/** Table 1 as printed, beside what this file has; only where the modules are those of the paper. */
function paper() {
  const rows = TABLE_1.map((line) => ({ line, row: model.modules.find((module) => module.name === line.module) })).filter(({ row }) => row?.branches);
  if (!rows.length) return null;
  const six = ({ o_1, r_3, o_3, r_5, o_5, pool }) => [o_1, r_3, o_3, r_5, o_5, pool];
  return el("section", { class: "sheet" }, el("h2", {}, t("paper.title")),
    el("p", { class: "quiet" }, t("paper.lead")),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("paper.title") }, el("table", { class: "grid-table" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("network.module")),
        ["#1×1", "#3×3 reduce", "#3×3", "#5×5 reduce", "#5×5", "pool proj", t("paper.parameters"), t("paper.here"), t("paper.operations"), t("paper.here")].map((text) => el("th", { scope: "col", class: "figure" }, text)))),
      el("tbody", {}, rows.map(({ line, row }) => el("tr", {}, el("th", { scope: "row" }, row.name),
        six(row.branches).map((value, place) => el("td", { class: "figure" }, value === line.six[place] ? value : t("paper.differs", { here: value, there: line.six[place] }))),
        cells([parameters(line), short(row.parameters), operations(line), short(row.multiply_adds)])))))),
    el("p", { class: "quiet small" }, t("paper.note")));
}
