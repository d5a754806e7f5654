// The page's words and numbers in the language of the reader.

import words, { groups } from "./words.js";

const LANGUAGES = ["en", "ko"];
const KEPT = "googlenet.language";

let language = chosen();

function chosen() {
  const wanted = [kept(KEPT), ...(navigator.languages ?? [])];
  return wanted.map((tag) => String(tag ?? "").slice(0, 2)).find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

/** What this browser kept under a name; null where it keeps nothing. */
export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keeps it, where the browser lets us. */
export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage is full or not allowed: the choice holds until the page is left.
  }
}

export const current = () => language;

/** Goes to the other language; the page is drawn anew by whoever listens to `language`. */
export function switchLanguage() {
  language = language === "en" ? "ko" : "en";
  keep(KEPT, language);
  window.dispatchEvent(new Event("language"));
}

/**
 * The text of a key, `{name}` in it replaced.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const text = words[key]?.[LANGUAGES.indexOf(language)] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}

/** The same for a number of things: `key.one` for 1, else `key.other`. */
export const plural = (key, n, values = {}) => t(`${key}.${n === 1 ? "one" : "other"}`, { n: whole(n), ...values });

export const whole = (n) => new Intl.NumberFormat(language).format(Math.round(n));

/** A number with so many digits behind the point; nothing is no negative nothing. */
export const decimal = (n, digits = 1) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "negative" }).format(n).replace("-", "\u2212");

export const signed = (n, digits = 2) => {
  const text = decimal(n, digits);
  return text.startsWith("\u2212") ? text : `+${text}`;
};

/** A probability as people read it; never 100 % for what is less. */
export function percent(p) {
  if (p > 0 && p < 0.001) return "< 0.1\u00a0%";
  const tenths = Math.round(p * 1000) / 10;
  return `${decimal(p < 1 && tenths >= 100 ? 99.9 : tenths)}\u00a0%`;
}

const inUnits = (n, units, digits) => {
  const [size, unit] = units.find(([size]) => n >= size) ?? [1, ""];
  return size === 1 ? whole(n) : `${decimal(n / size, digits(n / size))} ${unit}`;
};

/** 6,998,552 as 7.00 M. */
export const short = (n) => inUnits(n, [[1e9, "G"], [1e6, "M"], [1e3, "K"]], (part) => (part < 10 ? 2 : part < 100 ? 1 : 0));

export const bytes = (n) => inUnits(n, [[1 << 30, "GiB"], [1 << 20, "MiB"], [1 << 10, "KiB"]], () => 1);

/** A group of classes by its name in this language; its English name where there is none. */
export const groupName = (label) => (language === "ko" && Object.hasOwn(groups, label) ? groups[label] : label);
