// How much of the input a value has seen: the receptive field, from the windows and steps of the layers.

/** Operators whose value has seen all of the input, or that end what has a place. */
const GLOBAL = new Set(["Gemm", "MatMul", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean"]);

/**
 * The side, in pixels of the input, of what one value behind each module has seen. In a module with branches it is the
 * widest of them, which all have the same step.
 * @typedef {{ module?: string, branch?: string, operator: string, kernel?: number[], stride?: number[] }} Layer
 * @param {Layer[]} layers In data-flow order.
 * @returns {Map<string, number>}
 */
export function receptiveFields(layers) {
  const fields = new Map();
  let at = { field: 1, step: 1 };
  for (const group of byModule(layers)) {
    if (group.layers.some((layer) => GLOBAL.has(layer.operator))) break;
    const branches = [...new Set(group.layers.map((layer) => layer.branch ?? null))];
    const before = at;
    // Layers without a branch in a module with branches join these; they have no window.
    const along = (branch) => group.layers.filter((layer) => (layer.branch ?? null) === branch).reduce(behind, before);
    const ends = branches.map(along);
    at = ends.reduce((widest, end) => (end.field > widest.field ? end : widest), before);
    if (ends.some((end) => end !== before)) at = { field: at.field, step: Math.max(...ends.map((end) => end.step)) };
    if (group.module) fields.set(group.module, at.field);
  }
  return fields;
}

function behind({ field, step }, layer) {
  const kernel = Array.isArray(layer.kernel) ? Math.max(...layer.kernel) : 1;
  const stride = Array.isArray(layer.stride) ? Math.max(...layer.stride) : 1;
  return { field: field + (kernel - 1) * step, step: step * stride };
}

function byModule(layers) {
  const groups = [];
  for (const layer of layers) {
    const last = groups.at(-1);
    if (last && layer.module && last.module === layer.module) last.layers.push(layer);
    else groups.push({ module: layer.module ?? "", layers: [layer] });
  }
  return groups;
}
