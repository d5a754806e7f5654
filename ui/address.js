// The address of a view: `#/classify?sample=daisy&overlay=smooth`. It never has a photo in it.

export function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { tab: path || "classify", settings: new URLSearchParams(query) };
}

/** The address of a tab with settings; those without a value are left out. */
export function hash(tab, settings = {}) {
  const given = Object.entries(settings).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `#/${tab}${query ? `?${query}` : ""}`;
}
