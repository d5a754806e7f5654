// The colours of evidence: orange speaks for a class, blue against it, nothing is nothing. Told apart by every kind of
// colour vision, and never the only sign: the numbers are there too.

const FOR = [230, 97, 1];
const AGAINST = [33, 102, 190];
const STRONGEST = 0.78;

/** The largest value of a grid, without its sign. */
export const largest = (grid) => Math.max(...grid.flat().map(Math.abs), Number.MIN_VALUE);

/** Red, green, blue in 0..=255 and alpha in 0..=1. */
export function diverging(value, scale) {
  const part = Math.min(1, Math.abs(value) / scale);
  return [...(value < 0 ? AGAINST : FOR), STRONGEST * part ** 0.8];
}

/** The same for CSS. */
export const css = (value, scale) => {
  const [r, g, b, a] = diverging(value, scale);
  return `rgb(${r} ${g} ${b} / ${a.toFixed(3)})`;
};
