// Tables for other programs: CSV as RFC 4180 says, safe to open in a spreadsheet.

/** A cell in quotes where it needs them. A text that a spreadsheet would run as a formula gets an apostrophe. */
export function cell(value) {
  if (typeof value === "number") return String(value);
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csv = (head, rows) => [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
