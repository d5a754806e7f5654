// What this address serves: the page shows nothing that it cannot ask for.

import { getJson } from "./api.js";

/** Filled by `discover`. */
export const services = {
  /** @type {Set<string>} as "POST /classify" */
  paths: new Set(),
  /** Whether answers can have evidence. */
  hasEvidence: false,
  /** Whether the served network has none, though the service could give it. */
  isUnexplainable: false,
  /** Classes of the network; 0 while that is not known. */
  classes: 0,
  /** The summary, where this address has it. */
  summary: /** @type {any} */ (null),
};

/** Whether a request can be sent here. */
export const has = (request) => services.paths.has(request);

/** Asks for no evidence any more: the network has none, or the service gives none. */
export function withoutEvidence(isUnexplainable) {
  Object.assign(services, { hasEvidence: false, isUnexplainable });
  services.paths.delete("POST /explain");
}

/** Reads what there is. */
export async function discover() {
  const index = await getJson("./");
  const paths = Array.isArray(index?.paths) ? index.paths : [];
  services.paths = new Set(paths.map((row) => `${row?.method} ${row?.path}`));
  services.hasEvidence = has("POST /explain");
}
