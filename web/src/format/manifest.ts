// The manifest: names, sizes, key. What a capsule holds, and what a reader checks of it.
//
// Parsing believes nothing: types, bounds, paths, the sum of the sizes; then that the object
// follows from key and owner, and the link's secret from seed and object. Only after that
// may anything be allocated or fetched.

import { type Bytes, b64u, equal, unb64u } from "../bytes.ts";
import { AuthenticityError, ConsigneError } from "../errors.ts";
import { Layout } from "./content.ts";
import * as keys from "./keys.ts";
import * as paths from "./paths.ts";
import { invalid, type Json, type JsonObject, parse as parseJson, serialise } from "./strict_json.ts";

const FORMAT = "consigne-manifest/1";
const MAX_FILES = 1_000_000;
const KNOWN = new Set([
  ...["format", "object", "key", "owner", "seed", "length", "files", "note", "critical", "links"],
]);
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const LINK_NUMBER = /^(0|[1-9][0-9]{0,18})$/;

/** One file (or, with a final `/` in `path`, one folder without files). */
export interface FileEntry {
  readonly path: string;
  readonly size: number;
  readonly type?: string;
  readonly modified?: string;
}

/** In an owner capsule: a link that was made, by number and flags. */
export interface LinkEntry {
  readonly number: bigint;
  readonly password: boolean;
}

/** What a share is. `seed` stands in a link's manifest, `links` in the owner's. */
export interface Manifest {
  readonly objectId: Bytes;
  readonly key: Bytes;
  readonly ownerHash: Bytes;
  readonly length: number;
  readonly files: readonly FileEntry[];
  readonly note?: string;
  readonly seed?: Bytes;
  readonly links: readonly LinkEntry[];
}

/** The manifest as JSON, not yet padded. */
export function encode(manifest: Manifest): Bytes {
  return serialise({
    format: FORMAT,
    object: b64u(manifest.objectId),
    key: b64u(manifest.key),
    owner: b64u(manifest.ownerHash),
    length: manifest.length,
    files: manifest.files.map(({ path, size, type, modified }) => ({ path, size, type, modified })),
    ...(manifest.seed
      ? { seed: b64u(manifest.seed) }
      : { links: manifest.links.map(({ number, password }) => ({ n: `${number}`, flags: +password })) }),
    note: manifest.note,
  });
}

/** The manifest behind a download link, every check done. Throws `manifest-invalid`, `manifest-newer`. */
export async function parseForLink(data: Bytes, linkSecret: Bytes): Promise<Manifest> {
  const manifest = await parse(data);
  if (manifest.seed === undefined) throw invalid("it lacks the link's seed");
  if (!equal(await keys.linkSecret(manifest.seed, manifest.objectId), linkSecret)) {
    throw invalid("it belongs to another link");
  }
  return manifest;
}

/** The manifest of an owner capsule, every check done; throws as `parseForLink`. */
export async function parseForOwner(data: Bytes, owner: keys.Owner): Promise<Manifest> {
  const manifest = await parse(data);
  if (!equal(manifest.objectId, owner.objectId)) throw invalid("it belongs to another object");
  return manifest;
}

/** The manifest out of its padded bytes; the object is checked, not yet the link. */
export async function parse(data: Bytes): Promise<Manifest> {
  const value = parseJson(data);
  if (!(value instanceof Map)) throw invalid("it is not an object");
  checkVersion(value);
  const manifest = read(value);
  checkSizes(manifest);
  const commitment = await keys.contentCommitment(manifest.key);
  if (!equal(manifest.objectId, await keys.deriveObjectId(commitment, manifest.ownerHash))) {
    throw invalid("its object does not follow from its key");
  }
  return manifest;
}

function read(value: JsonObject): Manifest {
  const note = textOf(value, "note");
  return {
    objectId: bytesOf(value, "object"),
    key: bytesOf(value, "key"),
    ownerHash: bytesOf(value, "owner"),
    length: sizeOf(value.get("length")),
    files: filesOf(value.get("files")),
    links: linksOf(value.has("links") ? value.get("links") : []),
    ...(note === undefined ? {} : { note }),
    ...(value.has("seed") ? { seed: bytesOf(value, "seed") } : {}),
  };
}

function checkVersion(value: JsonObject): void {
  const format = value.get("format");
  const critical = value.has("critical") ? value.get("critical") : [];
  if (typeof format !== "string") throw invalid("it does not name its format");
  if (!Array.isArray(critical) || !critical.every((name) => typeof name === "string")) {
    throw invalid("`critical` is not a list of names");
  }
  if (format !== FORMAT || !critical.every((name) => KNOWN.has(name))) {
    throw new AuthenticityError("manifest-newer");
  }
}

function checkSizes(manifest: Manifest): void {
  let sum = 0;
  for (const file of manifest.files) {
    sum += file.size;
    if (sum > manifest.length) break; // so that the sum stays exact
  }
  if (sum !== manifest.length) throw invalid("its sizes do not sum up");
  try {
    Layout.ofContent(manifest.length);
  } catch (error) {
    if (!(error instanceof ConsigneError)) throw error;
    throw invalid("it claims more than an upload can hold");
  }
}

function filesOf(value: Json | undefined): FileEntry[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid("it lists no files");
  if (value.length > MAX_FILES) throw invalid("it lists too many files");
  const files = value.map(fileOf);
  if (paths.conflict(files.map((file) => file.path)) !== undefined) {
    throw invalid("two of its paths are in each other's way");
  }
  return files;
}

function fileOf(value: Json): FileEntry {
  if (!(value instanceof Map)) throw invalid("a file is not an object");
  const path = value.get("path");
  if (typeof path !== "string" || paths.refusal(path) !== undefined) {
    throw invalid("it holds a path that is refused");
  }
  const size = sizeOf(value.get("size"));
  if (size > 0 && path.endsWith("/")) throw invalid("a folder has a size");
  const type = textOf(value, "type");
  const modified = textOf(value, "modified");
  if (modified !== undefined && !INSTANT.test(modified)) throw invalid("a time is not RFC 3339 in UTC");
  return {
    path,
    size,
    ...(type === undefined ? {} : { type }),
    ...(modified === undefined ? {} : { modified }),
  };
}

function linksOf(value: Json | undefined): LinkEntry[] {
  if (!Array.isArray(value)) throw invalid("`links` is not a list");
  return value.map(linkOf);
}

function linkOf(value: Json): LinkEntry {
  const number = value instanceof Map ? value.get("n") : undefined;
  const flags = value instanceof Map ? value.get("flags") : undefined;
  if (typeof number !== "string" || !LINK_NUMBER.test(number) || BigInt(number) > keys.MAX_LINK_NUMBER) {
    throw invalid("a link has no number");
  }
  if (flags !== 0 && flags !== 1) throw invalid("a link has unknown flags");
  return { number: BigInt(number), password: flags === 1 };
}

function bytesOf(value: JsonObject, name: string): Bytes {
  const text = value.get(name);
  const data = typeof text === "string" ? unb64u(text) : undefined;
  if (data?.length !== keys.SECRET_SIZE) throw invalid(`\`${name}\` is not 32 bytes of base64url`);
  return data;
}

function textOf(value: JsonObject, name: string): string | undefined {
  if (!value.has(name)) return undefined;
  const text = value.get(name);
  if (typeof text !== "string") throw invalid(`\`${name}\` is not text`);
  return text;
}

function sizeOf(value: Json | undefined): number {
  if (typeof value !== "number") throw invalid("a size is not a number");
  return value;
}
