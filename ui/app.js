// The page: finds out what the service serves, shows its tabs, and says when it is not there.

import * as address from "./address.js";
import { getJson, reach } from "./api.js";
import * as classify from "./classify.js";
import { el, fill } from "./dom.js";
import { listen } from "./intake.js";
import { discover, has, services } from "./services.js";
import { current, keep, kept, switchLanguage, t, whole } from "./text.js";

/** Between two questions whether the service is there. */
const AGAIN_MS = 1000;

/** Each tab, and the request without which it has nothing to show. Loaded when it is first opened. */
const TABS = {
  classify: { needs: "POST /classify", load: async () => classify },
  inside: { needs: "POST /activations", load: () => import("./inside.js") },
  network: { needs: "GET /model/summary", load: () => import("./network.js") },
  folder: { needs: "POST /classify", load: () => import("./folder.js") },
  live: { needs: "GET /metrics", load: () => import("./live.js") },
};
/** @type {Record<string, any>} */
const opened = {};
let state = "asking";
/** @type {Promise<void> | null} */
let asking = null;

const served = () => Object.keys(TABS).filter((name) => has(TABS[name].needs));

function words() {
  document.documentElement.lang = current();
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.ariaLabel = t(element.dataset.label);
  const language = document.getElementById("language");
  language.textContent = current() === "en" ? "한국어" : "English";
  language.lang = current() === "en" ? "ko" : "en";
  theme(document.documentElement.dataset.theme ?? "auto");
  banner();
  head();
}

function head() {
  const { model } = services;
  document.getElementById("model").textContent = model ? `${model.version} · ${model.precision}` : "";
  const tab = shown();
  document.title = `${t(`tab.${tab ?? "classify"}`)} · googlenet`;
  const link = (name) => ({ href: address.hash(name), "aria-current": name === tab ? "page" : null, "data-focus": `tab-${name}` });
  fill(document.getElementById("tabs"), served().map((name) => el("a", link(name), t(`tab.${name}`))));
}

/** The tab that the address names, or the first that there is. */
function shown() {
  const names = served();
  const { tab } = address.read();
  return names.includes(tab) ? tab : names[0];
}

async function open() {
  const name = shown();
  if (!name) return;
  for (const other of Object.keys(TABS)) document.getElementById(`tab-${other}`).hidden = other !== name;
  head();
  for (const [other, module] of Object.entries(opened)) if (other !== name) module.leave?.();
  const section = document.getElementById(`tab-${name}`);
  if (name in opened) return opened[name].enter?.();
  const module = await TABS[name].load();
  if (name in opened) return;
  opened[name] = module;
  module.start(section);
}

function banner() {
  const line = document.getElementById("banner");
  const key = reach.isGone ? "gone" : state;
  const text = ["gone", "loading", "stopping"].includes(key) ? t(`banner.${key}`) : "";
  line.hidden = !text;
  line.textContent = text;
}

function untilReady() {
  asking ??= ask().finally(() => { asking = null; });
  return asking;
}

async function ask() {
  for (;;) {
    try {
      await getJson("readyz");
      await discover();
      state = "ready";
      break;
    } catch (error) {
      state = error.code === "shutting_down" ? "stopping" : "loading";
    }
    banner();
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
  banner();
  head();
  classify.draw();
}

function theme(name) {
  const root = document.documentElement;
  if (name === "auto") delete root.dataset.theme;
  else root.dataset.theme = name;
  document.getElementById("theme").textContent = t(`theme.${name}`);
}

function nextTheme() {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const order = isDark ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
  const next = order[(order.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % order.length];
  keep("googlenet.theme", next);
  theme(next);
}

async function begin() {
  theme(kept("googlenet.theme") ?? "auto");
  words();
  document.getElementById("language").addEventListener("click", switchLanguage);
  document.getElementById("theme").addEventListener("click", nextTheme);
  window.addEventListener("language", () => {
    words();
    for (const module of Object.values(opened)) module.draw?.();
  });
  window.addEventListener("hashchange", open);
  window.addEventListener("gone", () => { banner(); setTimeout(untilReady, AGAIN_MS); });
  window.addEventListener("back", banner);
  listen((files, transfer) => {
    const isFolder = address.read().tab === "folder" && opened.folder;
    if (isFolder) opened.folder.take(files, transfer);
    else {
      if (address.read().tab !== "classify") location.hash = address.hash("classify");
      classify.take(files);
    }
  });
  const ready = untilReady();
  // The empty page is there while the model is still being loaded.
  try {
    await discover();
  } catch {
    await ready;
  }
  await open();
  document.documentElement.dataset.state = "there";
  // The first number takes the browser 15 ms, which no photo should wait for.
  whole(0);
}

begin();
