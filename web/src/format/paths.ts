// Which paths a share may hold: judged when writing and again when reading.
//
// Only what is dangerous on every system is refused; case, normalisation and the reserved
// names of one system are for the reader that writes files there.

import { utf8 } from "../bytes.ts";

const MAX_COMPONENT = 255;
const MAX_PATH = 4096;
// C0, DEL and C1 controls; marks that turn the reading direction (CVE-2021-42574).
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
// An empty, `.` or `..` component; the final `/` of a folder ends the path.
const NO_COMPONENT = /(^|\/)\.{0,2}\/|(^|\/)\.{1,2}$|^$/;

export type Refusal = "empty" | "absolute" | "backslash" | "character" | "component" | "long";

/** Why this path is refused, or undefined. A final `/` marks a folder without files. */
export function refusal(path: string): Refusal | undefined {
  if (path === "" || path === "/") return "empty";
  if (path.startsWith("/")) return "absolute";
  if (path.includes("\\")) return "backslash";
  if (FORBIDDEN.test(path) || !path.isWellFormed()) return "character";
  if (NO_COMPONENT.test(path)) return "component";
  return isTooLong(path) ? "long" : undefined;
}

/**
 * A path that stands twice, or that is a file and another path's folder; or undefined.
 * With `/` sorted before every other character, what lies in `a` follows `a`.
 */
export function conflict(paths: Iterable<string>): string | undefined {
  const sorted = Array.from(paths, (path) => path.replaceAll("/", "\0")).sort(byCodeUnits);
  for (let index = 1; index < sorted.length; index++) {
    const before = sorted[index - 1] as string;
    const path = sorted[index] as string;
    const isFolder = before.endsWith("\0");
    const isInside = path.startsWith(isFolder ? before : `${before}\0`);
    if (path === before || (isInside && !isFolder)) return before.replaceAll("\0", "/");
  }
  return undefined;
}

function byCodeUnits(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function isTooLong(path: string): boolean {
  if (3 * path.length <= MAX_COMPONENT) return false; // no code unit is more than three bytes
  return (
    utf8(path).length > MAX_PATH ||
    path.split("/").some((component) => utf8(component).length > MAX_COMPONENT)
  );
}
