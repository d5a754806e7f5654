// What answers must look like to be used: a proxy, another version or a fault may answer otherwise.

import { ServiceError } from "./api.js";
import { t } from "./text.js";

/**
 * @typedef {{ logit: number, bias: number, residual: number, grid: number[][] }} Cam
 * @typedef {{ class: number, id: string, label: string, labels: string[], probability: number, cam: Cam | null }} Prediction
 * @typedef {{ id: string, label: string, classes: number, probability: number }} Group
 * @typedef {{ label: string | null, probability: number, level: "class" | "group" | "none" }} Sure
 * @typedef {{ left: number, top: number, width: number, height: number }} Crop
 * @typedef {{ width: number, height: number, format: string, crop: Crop | null, warnings: string[] }} ImageFacts
 * @typedef {{ model: any, predictions: Prediction[], groups: Group[], sure: Sure | null, image: ImageFacts }} Classified
 */

/** Squares on a side of a grid that are drawn. */
const MOST = 64;

const isText = (value) => typeof value === "string";
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const list = (value) => (Array.isArray(value) ? value : []);

function demand(condition) {
  if (!condition) throw new ServiceError({ status: 200, code: "not_understood", message: t("error.shape") });
}

/** @returns {Classified} */
export function classified(json) {
  demand(json && typeof json === "object" && Array.isArray(json.predictions));
  const predictions = json.predictions.map((row) => {
    demand(row && isNumber(row.class) && isText(row.label) && isNumber(row.probability));
    const { class: index, label, probability } = row;
    const [id, labels] = [isText(row.id) ? row.id : "", list(row.labels).filter(isText)];
    return { class: index, id, label, labels, probability, cam: cam(row.cam) };
  });
  const groups = list(json.groups).filter((row) => row && isText(row.label) && isNumber(row.probability));
  const sure = isText(json.sure?.level) && (json.sure.level === "none" || isNumber(json.sure.probability)) ? json.sure : null;
  return { model: json.model ?? {}, predictions, groups, sure, image: imageFacts(json.image) };
}

/** @returns {ImageFacts} */
function imageFacts(image) {
  demand(image && isNumber(image.width) && isNumber(image.height) && image.width > 0 && image.height > 0);
  const crop = image.crop;
  const isCrop = crop && ["left", "top", "width", "height"].every((side) => isNumber(crop[side]));
  return {
    width: image.width,
    height: image.height,
    format: isText(image.format) ? image.format : "",
    crop: isCrop ? crop : null,
    warnings: list(image.warnings).filter(isText),
  };
}

/** @returns {Cam | null} */
export function cam(value) {
  if (!value) return null;
  const { logit, bias, residual, grid } = value;
  demand([logit, bias, residual].every(isNumber) && isGrid(grid));
  return { logit, bias, residual, grid };
}

/** The grid of an answer of `POST /explain`. */
export function gridOf(json) {
  demand(isGrid(json?.grid));
  return json.grid;
}

const isSide = (list) => Array.isArray(list) && list.length > 0 && list.length <= MOST;

const isGrid = (grid) =>
  isSide(grid) && grid.every((row) => isSide(row) && row.length === grid[0].length && row.every(isNumber));

/**
 * The answer of `POST /explain`.
 * @returns {{ squares: { class: number, label: string, value: number }[][], branches: [string, number][],
 *   channels: { channel: number, branch: string, contribution: number }[] }}
 */
export function explained(json) {
  demand(json && typeof json === "object");
  const isShare = (row) => row && isText(row.label) && isNumber(row.value);
  const squares = list(json.squares).map((square) => list(square).filter(isShare));
  const branches = Object.entries(json.branches ?? {}).filter(([, value]) => isNumber(value));
  const channels = list(json.channels).filter((row) => row && isNumber(row.channel) && isNumber(row.contribution));
  return { squares, branches, channels };
}

/** The answer of `POST /activations`. */
export function activations(json) {
  demand(json && Array.isArray(json.modules));
  return json.modules.filter((module) => {
    const sprite = module?.sprite;
    const channels = list(module?.largest).flatMap((row) => [row?.channel, row?.mean, row?.max]);
    const numbers = [module?.height, module?.width, module?.channels, sprite?.columns, ...channels];
    return isText(module?.name) && numbers.every(isNumber) && isText(sprite.png);
  });
}

export function index(json) {
  const model = isText(json?.model?.version) ? json.model : null;
  return {
    paths: list(json?.paths).map((row) => `${row?.method} ${row?.path}`),
    model,
    classes: Math.max(0, Number(model?.classes) || 0),
    gradients: list(json?.explain?.modules).filter(isText),
  };
}

export const layersOf = (json) => list(json?.layers).filter((layer) => isText(layer?.name));

/** The answer of `GET /model/summary`. */
export function summary(json) {
  demand(json && Array.isArray(json.modules) && isNumber(json.parameters) && isNumber(json.multiply_adds));
  const isShape = (dims) => !dims || (Array.isArray(dims) && dims.every(isNumber));
  demand(isShape(json.input?.shape));
  const isRow = (row) => isText(row?.name) && isText(row.kind) && isShape(row.input) && isShape(row.output) && isNumber(row.parameters) && isNumber(row.multiply_adds);
  demand(json.modules.every(isRow));
  return json;
}
