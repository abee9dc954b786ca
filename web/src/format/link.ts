// Links: `base/d#fragment` to download, `base/m#fragment` to manage (spec/links.md).
//
// A fragment is base64url of kind ‖ flags ‖ secret: 34 bytes, exactly 46 characters. Judged
// in this order, so that a newer link is called newer whatever its length: kind, length, flags.

import { type Bytes, b64u, concat, unb64u } from "../bytes.ts";
import { UsageError } from "../errors.ts";

const FRAGMENT_LENGTH = 46;
const FLAG_PASSWORD = 0x01;
const MAX_URL = 4096;
const MAX_PORT = 65_535;
const HOST = /[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]/;
const SEGMENT = /[A-Za-z0-9\-._~!$&'()*+,;=:@%]*/;
const ADDRESS = new RegExp(
  `^https?://(?:${HOST.source})(?::(?<port>[0-9]{1,5}))?(?<path>(?:/${SEGMENT.source})*)$`,
  "i",
);

export type Kind = "download" | "manage";

const KINDS: Record<Kind, { byte: number; path: string; flags: number }> = {
  download: { byte: 0x11, path: "/d", flags: FLAG_PASSWORD },
  manage: { byte: 0x21, path: "/m", flags: 0 },
};

/** What stands behind the `#`: a right, and whether a password goes with it. */
export interface Fragment {
  readonly kind: Kind;
  readonly secret: Bytes;
  readonly password: boolean;
}

/** A fragment and the host it is for. `base` has no trailing slash. */
export interface Link {
  readonly base: string;
  readonly fragment: Fragment;
}

/** The one text of a fragment: 46 characters, a secret. */
export function fragmentText(fragment: Fragment): string {
  const flags = fragment.password ? FLAG_PASSWORD : 0;
  return b64u(concat(Uint8Array.of(KINDS[fragment.kind].byte, flags), fragment.secret));
}

/** The whole link: a secret. */
export function linkText(link: Link): string {
  return `${link.base}${KINDS[link.fragment.kind].path}#${fragmentText(link.fragment)}`;
}

/**
 * The fragment out of its text. Throws UsageError `link-newer` (unknown kind or flag) or
 * `link-incomplete` (too short, too long, not the one text of these bytes).
 */
export function parseFragment(text: string): Fragment {
  const head = text.length >= 4 ? unb64u(text.slice(0, 4)) : undefined;
  if (head === undefined) throw incomplete();
  const kind = (Object.keys(KINDS) as Kind[]).find((name) => KINDS[name].byte === head[0]);
  if (kind === undefined) throw new UsageError("link-newer", "unknown kind");
  const data = text.length === FRAGMENT_LENGTH ? unb64u(text) : undefined;
  if (data === undefined) throw incomplete();
  const flags = data[1] as number;
  if (flags & ~KINDS[kind].flags) throw new UsageError("link-newer", "unknown flag");
  return { kind, secret: data.slice(2), password: (flags & FLAG_PASSWORD) !== 0 };
}

/**
 * Host and fragment out of a whole link. Throws UsageError `link-incomplete` (no fragment,
 * not a web address, cut), `link-newer`, and `link-wrong-kind` when it is not of the `wanted` kind.
 */
export function parseLink(text: string, wanted?: Kind): Link {
  const whole = text.trim();
  const hash = whole.indexOf("#");
  const url = hash < 0 ? whole : whole.slice(0, hash);
  const path = pathOf(url);
  const fragment = parseFragment(hash < 0 ? "" : whole.slice(hash + 1));
  const page = KINDS[fragment.kind].path;
  if (!path.endsWith(page) || path.endsWith(`/${page}`)) throw incomplete();
  if (wanted !== undefined && fragment.kind !== wanted) throw new UsageError("link-wrong-kind");
  return { base: url.slice(0, -2), fragment };
}

/** The path of an address, read by one grammar: URL parsers disagree on the rest. */
function pathOf(url: string): string {
  const found = url.length <= MAX_URL ? ADDRESS.exec(url)?.groups : undefined;
  if (found?.path === undefined || Number(found.port ?? 0) > MAX_PORT) throw incomplete();
  return found.path;
}

function incomplete(): UsageError {
  return new UsageError("link-incomplete");
}
