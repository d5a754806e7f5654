// What this address serves: the page shows nothing that it cannot ask for.

import { getJson } from "./api.js";
import { index } from "./shape.js";

/** Filled by `discover`. */
export const services = {
  /** @type {Set<string>} as "POST /classify" */
  paths: new Set(),
  /** Whether this network has no evidence to give. */
  isUnexplainable: false,
  /** The network, once it is loaded. @type {any} */
  model: null,
  /** Its classes; 0 while that is not known. */
  classes: 0,
  /** Modules at which there are gradients. @type {string[]} */
  gradients: [],
};

export const has = (request) => services.paths.has(request);

/** How many classes to ask for: more than the network has are refused. */
export const most = (n) => Math.min(n, services.classes || n);

/** Asks for no evidence any more: the network has none, or the service gives none. */
export function withoutEvidence(isUnexplainable) {
  services.isUnexplainable = isUnexplainable;
  services.paths.delete("POST /explain");
}

export async function discover() {
  const { paths, model, classes, gradients } = index(await getJson("./"));
  Object.assign(services, { paths: new Set(paths), model, classes, gradients });
}
