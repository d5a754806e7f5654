// The tab Network: the served network drawn from its summary and its layers, with Table 1 of the paper beside it.

import { getJson } from "./api.js";
import { bar, button, el, figureHeads, figures, fill, heads, scrolled, svg } from "./dom.js";
import { COLUMNS, TABLE_1 } from "./paper.js";
import { chosen } from "./photos.js";
import { layersOf, summary } from "./shape.js";
import { decimal, percent, short, t, whole } from "./text.js";

/** Sides of the largest drawn map, in pixels. */
const DRAWN = 76;
/** Where the boxes of a module are, in units of its drawing. */
const DIAGRAM = { width: 860, step: 215, box: 190, top: 40, tops: [82, 162], bottom: 262 };
const HEIGHT = 44;

let root = null;
/** @type {any} */
let model = null;
/** @type {any[]} */
let layers = [];
let chosenName = "";
let error = "";

export function start(section) {
  root = section;
  fill(root, el("p", { class: "quiet" }, t("loading")));
  enter();
}

export async function enter() {
  if (model) return draw();
  try {
    model = summary(await getJson("model/summary"));
    layers = layersOf(await getJson("model/layers"));
    chosenName = model.modules.find((row) => row.branches)?.name ?? "";
    error = "";
  } catch (reason) {
    model = null;
    error = reason.message;
  }
  draw();
}

export function draw() {
  if (!root) return;
  if (!model) return fill(root, el("h1", {}, t("tab.network")), el("p", { class: "error" }, error), button(t("again"), enter));
  fill(root,
    el("header", { class: "lead" },
      el("h1", {}, t("network.title", { name: model.name })), el("p", { class: "quiet" }, t("network.lead"))),
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
  const isNamed = (row) => row.branches || sideOf(row) === 1 || row.parameters;
  const one = (row) => el("button", {
    type: "button", title: `${row.name}: ${shape(row.output)}`, "aria-label": `${row.name}, ${shape(row.output)}`,
    "aria-pressed": String(row.name === chosenName), "data-focus": `flow-${row.name}`, on: { click: () => pick(row.name) },
  }, block(row), el("span", {}, isNamed(row) ? label(row) : "·"));
  return el("div", { class: "flow", role: "group", "aria-label": t("network.flow") }, rows.map(one));
}

function pick(name) {
  chosenName = name;
  draw();
}

function moduleSheet() {
  const row = model.modules.find((module) => module.name === chosenName);
  if (!row) return null;
  const own = layers.filter((layer) => layer.module === row.name);
  const without = row.parameters_without_reduction;
  const title = t("module.layers", { n: own.length });
  return el("section", { class: "sheet", id: "module" },
    el("h2", {}, row.name),
    el("div", { class: row.branches ? "beside" : "" },
      el("div", {},
        el("p", { class: "quiet" }, t("module.facts", {
          input: shape(row.input), output: shape(row.output), parameters: whole(row.parameters), mac: whole(row.multiply_adds),
        }), row.receptive_field ? ` ${t("module.field", { n: whole(row.receptive_field) })}` : ""),
        without ? el("p", {}, t("module.saving", {
          now: whole(row.parameters), without: whole(without), saved: percent(1 - row.parameters / without),
        })) : null),
      row.branches ? branches(row, own) : null),
    own.length ? el("details", {}, el("summary", {}, title), scrolled(title, layerTable(own))) : null);
}

function layerTable(own) {
  const columns = ["layer.kernel", "layer.stride", "network.output", "network.parameters", "network.mac"];
  const row = ({ name, operator, kernel, stride, output, parameters, multiply_adds: mac }) => el("tr", {},
    el("th", { scope: "row" }, name), el("td", {}, operator),
    figures([kernel ? shape(kernel) : "", stride ? shape(stride) : "", shape(output), whole(parameters), whole(mac)]));
  return el("table", { class: "grid-table" },
    el("thead", {}, el("tr", {}, heads([t("layer.name"), t("layer.operator")]), figureHeads(columns.map((key) => t(key))))),
    el("tbody", {}, own.map(row)));
}

/** The four branches side by side, drawn from what the layers say of themselves. */
function branches(row, own) {
  const { o_1, r_3, o_3, r_5, o_5, pool } = row.branches;
  const [input, output] = [row.input?.at(-1) ?? "?", row.output?.at(-1) ?? "?"];
  // First and last window of a branch.
  const windows = (branch) => own.filter((layer) => layer.branch === branch && Array.isArray(layer.kernel)).map(({ kernel }) => kernel.join("×"));
  const convolution = (size, channels) => ({ kind: "conv", text: t("module.conv", { size: size ?? "?", channels: whole(channels) }) });
  const columns = [
    [convolution(windows("1x1").at(-1), o_1)],
    [convolution(windows("3x3")[0], r_3), convolution(windows("3x3").at(-1), o_3)],
    [convolution(windows("5x5")[0], r_5), convolution(windows("5x5").at(-1), o_5)],
    [{ kind: "", text: t("module.pool", { size: windows("pool")[0] ?? "?" }) }, convolution(windows("pool").at(-1), pool)],
  ];
  const spoken = t("module.spoken", { input, o_1, r_3, o_3, r_5, o_5, pool, output });
  const middle = (y, text) => svg("text", { x: DIAGRAM.width / 2, y, "text-anchor": "middle" }, text);
  return scrolled(t("module.branches"),
    svg("svg", { class: "branches", viewBox: `0 0 ${DIAGRAM.width} 300`, role: "img", "aria-label": spoken },
      columns.map(column),
      middle(28, t("module.in", { n: input })),
      middle(286, t("module.out", { sum: [o_1, o_3, o_5, pool].join(" + "), n: output }))));
}

function column(boxes, place) {
  const { width, step, box, tops, top, bottom } = DIAGRAM;
  const x = place * step + (step - box) / 2;
  const centre = x + box / 2;
  const line = (x1, y1, x2, y2) => svg("path", { d: `M${x1} ${y1}C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}` });
  const end = tops[1] + HEIGHT;
  return [
    line(width / 2, top, centre, tops[0]), line(centre, tops[0], centre, end), line(centre, end, width / 2, bottom),
    boxes.map(({ kind, text }, row) => svg("g", { class: kind },
      svg("rect", { x, y: tops[row], width: box, height: HEIGHT, rx: 9 }),
      svg("text", { x: centre, y: tops[row] + 27, "text-anchor": "middle" }, text))),
  ];
}

function table() {
  const most = (key) => Math.max(...model.modules.map((row) => row[key]), 1);
  const [parameterMost, macMost] = [most("parameters"), most("multiply_adds")];
  const show = (name) => {
    pick(name);
    document.getElementById("module")?.scrollIntoView({ block: "nearest" });
  };
  // As measured for the photo that is looked at, if its maps were looked at.
  const times = new Map((chosen()?.kept.modules ?? []).map(({ name, milliseconds }) => [name, milliseconds]));
  const time = (name) => (times.has(name) ? `${decimal(times.get(name))} ms` : "");
  const row = ({ name, kind, output, parameters, multiply_adds: mac, receptive_field: field }) => el("tr", {},
    el("th", { scope: "row" }, button(name, () => show(name), { class: "link", "data-focus": `row-${name}` })),
    el("td", { class: "quiet" }, t(`kind.${kind}`)),
    figures([
      shape(output), [short(parameters), bar(parameters / parameterMost)], [short(mac), bar(mac / macMost)],
      field ? `${whole(field)} px` : "", ...(times.size ? [time(name)] : []),
    ]));
  const columns = ["network.output", "network.parameters", "network.mac", "network.field", ...(times.size ? ["network.time"] : [])];
  return el("section", { class: "sheet" }, el("h2", {}, t("network.modules")),
    scrolled(t("network.modules"), el("table", { class: "grid-table" },
      el("thead", {}, el("tr", {},
        heads([t("network.module"), t("network.kind")]), figureHeads(columns.map((key) => t(key))))),
      el("tbody", {}, model.modules.map(row)))),
    el("p", { class: "quiet small" }, t("network.field.meaning")));
}

/** Table 1 as printed, beside what this file has; only where the modules are those of the paper. */
function paper() {
  const rows = TABLE_1.map((line) => ({ line, row: model.modules.find((module) => module.name === line.module) }));
  const known = rows.filter(({ row }) => row?.branches);
  if (!known.length) return null;
  const six = ({ o_1, r_3, o_3, r_5, o_5, pool }) => [o_1, r_3, o_3, r_5, o_5, pool];
  const beside = (here, there) => (here === there ? here : t("paper.differs", { here, there }));
  const line = ({ line, row }) => el("tr", {}, el("th", { scope: "row" }, row.name),
    figures(six(row.branches).map((here, place) => beside(here, line.six[place]))),
    figures([`${line.thousands}K`, short(row.parameters), `${line.millions}M`, short(row.multiply_adds)]));
  const columns = [...COLUMNS, t("paper.parameters"), t("paper.here"), t("paper.operations"), t("paper.here")];
  return el("section", { class: "sheet" }, el("h2", {}, t("paper.title")),
    el("p", { class: "quiet" }, t("paper.lead")),
    scrolled(t("paper.title"), el("table", { class: "grid-table" },
      el("thead", {}, el("tr", {}, heads([t("network.module")]), figureHeads(columns))),
      el("tbody", {}, known.map(line)))),
    el("p", { class: "quiet small" }, t("paper.note")));
}
