// Every vector of spec/vectors, one test each: what Python's tests/format/test_vectors.py does, in TypeScript.
//
// A vector names what must come out first (`expect`), then what goes in (`given`) and, where
// it succeeds, what it gives. One function per kind leads from `given` to `gives`.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Bytes, b64u, concat, unb64u, utf8 } from "../src/bytes.ts";
import { ConsigneError } from "../src/errors.ts";
import * as capsule from "../src/format/capsule.ts";
import { checkLength, HEADER_SIZE, Layout, Opener, Sealer, truncated } from "../src/format/content.ts";
import * as keys from "../src/format/keys.ts";
import * as link from "../src/format/link.ts";
import * as manifest from "../src/format/manifest.ts";
import { padded } from "../src/format/padding.ts";
import * as paths from "../src/format/paths.ts";
import { partCount, partSizeFor, SEGMENT_SIZE } from "../src/protocol.ts";

// biome-ignore lint/suspicious/noExplicitAny: vectors are data
type Values = Record<string, any>;

const FOLDER = new URL("../../spec/vectors/", import.meta.url);
const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

function load(name: string): Values {
  return JSON.parse(readFileSync(new URL(name, FOLDER), "ascii"));
}

const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
const unhex = (text: string): Bytes => new Uint8Array(Buffer.from(text, "hex"));
const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

function longBytes({ sha256_counter: label, length }: Values): Bytes {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, index) => {
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(BigInt(index));
    return createHash("sha256").update(label).update(number).digest();
  });
  return new Uint8Array(Buffer.concat(blocks)).slice(0, length);
}

// ------------------------------------------------------------- from given to gives

async function derivation(given: Values): Promise<Values> {
  if ("password" in given) {
    const reader = await keys.readerOf(unhex(given.link_secret), given.password);
    return {
      password_bytes: hex(keys.passwordBytes(given.password)),
      password_root: hex(reader.root),
      link_id: hex(reader.linkId),
      read_token: hex(reader.token),
    };
  }
  const owner = await keys.ownerOf(unhex(given.owner_secret));
  return "n" in given ? deriveLink(owner, BigInt(given.n)) : deriveOwner(owner);
}

async function deriveOwner(owner: keys.Owner): Promise<Values> {
  const content = await keys.contentKeysOf(owner);
  return {
    owner_token: hex(owner.token),
    owner_hash: hex(owner.ownerHash),
    content_key: hex(owner.contentKey),
    content_commitment: hex(owner.commitment),
    object_id: hex(owner.objectId),
    content_header: hex(concat(content.salt, content.noncePrefix)),
    owner_root: hex(owner.capsuleRoot),
  };
}

async function deriveLink(owner: keys.Owner, number: bigint): Promise<Values> {
  const seed = await keys.linkSeed(owner, number);
  const secret = await keys.linkSecret(seed, owner.objectId);
  const reader = await keys.readerOf(secret);
  return {
    object_id: hex(owner.objectId),
    seed: hex(seed),
    link_secret: hex(secret),
    link_id: hex(reader.linkId),
    read_token: hex(reader.token),
  };
}

function parseLink(given: Values): Values {
  if ("fragment" in given) {
    const fragment = link.parseFragment(given.fragment);
    expect(link.fragmentText(fragment)).toBe(given.fragment);
    return showFragment(fragment);
  }
  const whole = link.parseLink(given.url, given.wanted);
  expect(link.linkText(whole)).toBe(given.url);
  return { base: whole.base, ...showFragment(whole.fragment) };
}

function showFragment(fragment: link.Fragment): Values {
  return { link: fragment.kind, password: fragment.password, secret: hex(fragment.secret) };
}

function layOut(given: Values): Values {
  if ("streams" in given) {
    const layouts: Layout[] = given.streams.map((length: number) => new Layout(length));
    return {
      segments: layouts.map((layout) => layout.segments),
      ciphertext: layouts.map((layout) => layout.ciphertextLength),
    };
  }
  if ("ciphertexts" in given) {
    const sizes: number[] = given.ciphertexts.map(partSizeFor);
    const parts = sizes.map((size, index) => partCount(given.ciphertexts[index], size));
    return { part_size: sizes, parts };
  }
  const layout = Layout.ofContent(given.length);
  const partSize = partSizeFor(layout.ciphertextLength) ?? 0;
  return {
    padded: layout.streamLength,
    segments: layout.segments,
    ciphertext: layout.ciphertextLength,
    part_size: partSize,
    parts: partCount(layout.ciphertextLength, partSize),
  };
}

async function stream(given: Values): Promise<Values> {
  const plaintext = longBytes(given.plaintext);
  const sealed = await sealStream(contentKeysOf(given), plaintext);
  if (!("edits" in given)) {
    expect(sha256(await openStream(given, sealed))).toBe(sha256(plaintext));
    return held(sealed);
  }
  const other = given.other;
  const foreign = other
    ? await sealStream(contentKeysOf(other), longBytes(other.plaintext))
    : new Uint8Array();
  const delivered = damage(sealed, given.edits, foreign);
  expect({ length: delivered.length, sha256: sha256(delivered) }).toEqual(given.delivered);
  await openStream(given, delivered);
  return {};
}

function contentKeysOf(given: Values): keys.ContentKeys {
  const header = unhex(given.content_header);
  return {
    key: unhex(given.content_key),
    salt: header.slice(0, 32),
    noncePrefix: header.slice(32),
    objectId: unhex(given.object_id),
  };
}

async function sealStream(contentKeys: keys.ContentKeys, plaintext: Bytes): Promise<Bytes> {
  const layout = new Layout(plaintext.length);
  const sealer = await Sealer.of(contentKeys);
  const pieces = [];
  for (let segment = 0; segment < layout.segments; segment++) {
    const plain = plaintext.slice(...layout.plainRange(segment));
    const [start, stop] = layout.cipherRange(segment);
    const sealed = await sealer.seal(segment, plain, layout.isLast(segment));
    expect(sealed.length).toBe(stop - start);
    pieces.push(sealed);
  }
  return concat(...pieces);
}

/** Read as a transfer does: the announced length first, then segment by segment. */
async function openStream(given: Values, delivered: Bytes): Promise<Bytes> {
  const layout = new Layout(given.plaintext.length);
  checkLength(layout, given.announced ?? delivered.length);
  const key = unhex(given.reader_content_key ?? given.content_key);
  const objectId = unhex(given.reader_object_id ?? given.object_id);
  const pieces = [];
  for (let segment = 0; segment < layout.segments; segment++) {
    const [start, stop] = layout.cipherRange(segment);
    if (stop > delivered.length) throw truncated(segment);
    const opener = await Opener.of(key, objectId, delivered.slice(0, HEADER_SIZE));
    pieces.push(await opener.open(segment, delivered.slice(start, stop), layout.isLast(segment)));
  }
  return concat(...pieces);
}

function damage(sealed: Bytes, edits: Values[], foreign: Bytes): Bytes {
  let data = sealed;
  const segment = (number: number, of = data) => of.slice(number * SEGMENT_SIZE, (number + 1) * SEGMENT_SIZE);
  const before = (number: number) => data.slice(0, number * SEGMENT_SIZE);
  const after = (number: number) => data.slice((number + 1) * SEGMENT_SIZE);
  for (const edit of edits) {
    switch (edit.op) {
      case "flip":
        data = data.slice();
        data[edit.at] = (data[edit.at] as number) ^ (1 << edit.bit);
        break;
      case "cut":
        data = data.slice(0, edit.at);
        break;
      case "append":
        data = concat(data, unhex(edit.bytes));
        break;
      case "swap": {
        const [a, b] = [segment(edit.a), segment(edit.b)];
        data = concat(before(edit.a), b, after(edit.a));
        data = concat(before(edit.b), a, after(edit.b));
        break;
      }
      case "drop":
        data = concat(before(edit.segment), after(edit.segment));
        break;
      case "double":
        data = concat(
          before(edit.segment),
          segment(edit.segment),
          segment(edit.segment),
          after(edit.segment),
        );
        break;
      case "splice":
        data = concat(before(edit.segment), segment(edit.segment, foreign), after(edit.segment));
        break;
      default:
        throw new Error(edit.op);
    }
  }
  return data;
}

function held(ciphertext: Bytes): Values {
  const ends = [];
  for (let end = SEGMENT_SIZE; end < ciphertext.length; end += SEGMENT_SIZE) ends.push(end);
  ends.push(ciphertext.length);
  const tags = ends.map((end) => hex(ciphertext.slice(end - 16, end)));
  const shown = { length: ciphertext.length, sha256: sha256(ciphertext) };
  return ends.length <= 4 ? { ...shown, tags } : shown;
}

async function wholeContent(given: Values): Promise<Values> {
  const owner = await keys.ownerOf(unhex(given.owner_secret));
  const plaintext = concat(...given.files.map(longBytes));
  const layout = Layout.ofContent(plaintext.length);
  const stretched = new Uint8Array(layout.streamLength);
  stretched.set(plaintext);
  return {
    object_id: hex(owner.objectId),
    length: plaintext.length,
    padded: layout.streamLength,
    plaintext_sha256: sha256(plaintext),
    ciphertext: held(await sealStream(await keys.contentKeysOf(owner), stretched)),
  };
}

/** Open a capsule as a link does: unseal, parse, check. Then seal it again. */
async function openCapsule(given: Values): Promise<Values> {
  const sealed = unb64u(given.capsule) as Bytes;
  let root: Bytes;
  let boundTo: Bytes;
  let plaintext: Bytes;
  if ("owner_secret" in given) {
    const owner = await keys.ownerOf(unhex(given.owner_secret));
    [root, boundTo] = [owner.capsuleRoot, owner.objectId];
    plaintext = await capsule.unseal(root, boundTo, sealed);
    await manifest.parseForOwner(plaintext, owner);
  } else {
    const secret = unhex(given.link_secret);
    const reader = await keys.readerOf(secret, given.password);
    [root, boundTo] = [reader.root, reader.linkId];
    plaintext = await capsule.unseal(root, boundTo, sealed, "password" in given);
    await manifest.parseForLink(plaintext, secret);
  }
  const text = utf8(new TextDecoder().decode(plaintext).replace(/[ \n]+$/, ""));
  const again = await capsule.seal(root, boundTo, text, sealed.slice(1, 33));
  return { manifest: b64u(text), canonical: hex(again) === hex(sealed) };
}

async function readManifest(given: Values): Promise<Values> {
  const plaintext = concat(...given.plaintext.map(manifestPiece));
  const parsed =
    "owner_secret" in given
      ? await manifest.parseForOwner(plaintext, await keys.ownerOf(unhex(given.owner_secret)))
      : await manifest.parseForLink(plaintext, unhex(given.link_secret));
  expect(hex(parsed.objectId)).toBe(given.object_id);
  const links = parsed.links.map((one) => ({ n: `${one.number}`, flags: Number(one.password) }));
  return {
    content_key: hex(parsed.key),
    owner_hash: hex(parsed.ownerHash),
    length: parsed.length,
    ciphertext: Layout.ofContent(parsed.length).ciphertextLength,
    files: showFiles(parsed),
    ...(parsed.note === undefined ? {} : { note: parsed.note }),
    ...(links.length > 0 ? { links } : {}),
  };
}

function manifestPiece(piece: string | Values): Bytes {
  if (typeof piece === "string") return unb64u(piece) as Bytes;
  if ("repeat" in piece) return utf8(piece.repeat.repeat(piece.times));
  const [before, after] = piece.count.split("#");
  return utf8(Array.from({ length: piece.times }, (_, index) => `${before}${index}${after}`).join(""));
}

function showFiles(parsed: manifest.Manifest): Values[] {
  let start = 0;
  return parsed.files.map((file) => {
    const shown = { ...file, start };
    start += file.size;
    return shown;
  });
}

/** Read a manifest of empty files with these paths. */
async function readPaths(given: Values): Promise<Values> {
  const owner = await keys.ownerOf(new Uint8Array(32));
  const seed = await keys.linkSeed(owner, 0n);
  const members = {
    format: "consigne-manifest/1",
    object: b64u(owner.objectId),
    key: b64u(owner.contentKey),
    owner: b64u(owner.ownerHash),
    seed: b64u(seed),
    length: 0,
    files: given.paths.map((path: string) => ({ path, size: 0 })),
  };
  const secret = await keys.linkSecret(seed, owner.objectId);
  await manifest.parseForLink(utf8(JSON.stringify(members)), secret);
  return {};
}

const KINDS: Record<string, (given: Values) => Values | Promise<Values>> = {
  derivation,
  link: parseLink,
  padme: (given) => ({ padded: given.lengths.map(padded) }),
  layout: layOut,
  stream,
  content: wholeContent,
  capsule: openCapsule,
  manifest: readManifest,
  path: readPaths,
};

async function outcome(vector: Values): Promise<Values> {
  try {
    return { expect: "success", gives: await KINDS[vector.kind]?.(vector.given) };
  } catch (error) {
    if (!(error instanceof ConsigneError)) throw error;
    return { expect: error.code, segment: error.segment };
  }
}

test("there are as many vectors as the spec promises", () => {
  expect(NAMES.length).toBeGreaterThanOrEqual(80);
});

test.each(NAMES)("%s", async (name) => {
  const vector = load(name);
  const found = await outcome(vector);
  expect(found.expect).toBe(vector.expect);
  if (vector.expect === "success") expect(found.gives).toEqual(vector.gives ?? {});
  else if ("segment" in vector) expect(found.segment).toBe(vector.segment);
});

describe("a writer lists every refused path", () => {
  test.each(NAMES.filter((name) => name.startsWith("path-")))("%s", (name) => {
    const { given, refused = [], expect: expected } = load(name);
    expect(given.paths.filter((path: string) => paths.refusal(path) !== undefined)).toEqual(refused);
    const onlyTogether = expected !== "success" && refused.length === 0;
    expect(paths.conflict(given.paths) !== undefined).toBe(onlyTogether);
  });
});
