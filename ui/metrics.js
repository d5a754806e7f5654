// The Prometheus text format, and what follows from two looks at it.

/**
 * @typedef {{ labels: Record<string, string>, value: number }} Sample
 * @typedef {Map<string, Sample[]>} Metrics by name
 */

/**
 * Reads the text format 0.0.4; lines that are not samples are left out.
 * @param {string} text
 * @returns {Metrics}
 */
export function parse(text) {
  const metrics = new Map();
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
    if (!found || line.startsWith("#")) continue;
    const value = found[3] === "+Inf" ? Infinity : Number(found[3]);
    if (Number.isNaN(value)) continue;
    if (!metrics.has(found[1])) metrics.set(found[1], []);
    metrics.get(found[1]).push({ labels: labelsOf(found[2] ?? ""), value });
  }
  return metrics;
}

function labelsOf(text) {
  const labels = {};
  for (const [, name, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name] = value.replace(/\\(.)/g, (_, sign) => (sign === "n" ? "\n" : sign));
  }
  return labels;
}

export const sum = (metrics, name) => (metrics.get(name) ?? []).reduce((total, sample) => total + sample.value, 0);

/** How much each value of a label grew, of a counter between two looks. */
export function growth(before, after, name, label) {
  const grown = new Map();
  for (const sample of after.get(name) ?? []) {
    const key = sample.labels[label] ?? "";
    const isIt = (old) => Object.entries(sample.labels).every(([other, value]) => old.labels[other] === value);
    const was = (before.get(name) ?? []).find(isIt);
    // A service that started again counts from 0.
    const more = was && was.value <= sample.value ? sample.value - was.value : sample.value;
    grown.set(key, (grown.get(key) ?? 0) + more);
  }
  return grown;
}

/**
 * The buckets of a histogram between two looks, not cumulated.
 * @returns {{ bounds: number[], counts: number[], sum: number, count: number }}
 */
export function histogram(before, after, name) {
  const cumulated = new Map();
  for (const [metrics, sign] of [[after, 1], [before, -1]]) {
    for (const { labels, value } of metrics?.get(`${name}_bucket`) ?? []) {
      const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
      cumulated.set(bound, (cumulated.get(bound) ?? 0) + sign * value);
    }
  }
  const bounds = [...cumulated.keys()].sort((a, b) => a - b);
  const counts = bounds.map((bound, place) => Math.max(0, cumulated.get(bound) - (place ? cumulated.get(bounds[place - 1]) : 0)));
  const total = (end) => Math.max(0, sum(after, `${name}_${end}`) - (before ? sum(before, `${name}_${end}`) : 0));
  return { bounds, counts, sum: total("sum"), count: counts.reduce((all, n) => all + n, 0) };
}

/**
 * Between which bounds a quantile lies.
 * @returns {{ low: number, high: number } | null} null where nothing was counted
 */
export function quantile({ bounds, counts, count }, q) {
  if (!count) return null;
  let below = 0;
  for (let place = 0; place < bounds.length; place++) {
    below += counts[place];
    if (counts[place] && below >= q * count) return { low: place ? bounds[place - 1] : 0, high: bounds[place] };
  }
  return null;
}
