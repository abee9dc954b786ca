// Whole transfers between this client, a real host and the Python client: each reads what the other wrote.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Bytes } from "../src/bytes.ts";
import { ConsigneError } from "../src/errors.ts";
import { Download } from "../src/fetching.ts";
import { type Fragment, parseLink } from "../src/format/link.ts";
import type { Manifest } from "../src/format/manifest.ts";
import { MemoryJournal } from "../src/journal.ts";
import { openLink, openObject } from "../src/opening.ts";
import { Patience } from "../src/patience.ts";
import { type Given, type Plan, type PutOptions, planOf, put, type Story } from "../src/putting.ts";
import { Remote } from "../src/remote.ts";
import { Source } from "../src/source.ts";
import { Host } from "./host.ts";

let host: Host;
let remote: Remote;
const patience = () => new Patience(5);

beforeAll(async () => {
  host = await Host.start();
  remote = new Remote(host.url, patience);
});
afterAll(() => host.stop());

function random(size: number): Bytes {
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(data.subarray(at, at + 65536));
  return data;
}

function sourceOf(files: Record<string, Bytes>): Source {
  return new Source(
    Object.entries(files).map(([path, data]) => ({
      entry: { path, size: data.length },
      blob: new Blob([data]),
    })),
  );
}

async function give(source: Source, options: PutOptions = {}): Promise<Given> {
  return put(storyOf(source, await planOf(options)));
}

function storyOf(source: Source, plan: Plan, journal = new MemoryJournal()): Story {
  return { remote, source, plan, journal, patience: patience() };
}

async function take(fragment: Fragment, password?: string): Promise<{ manifest: Manifest; content: Buffer }> {
  const { reader, manifest } = await openLink(remote, fragment, password);
  const ticket = await remote.startDownload(reader.linkId, reader.token);
  const download = await Download.begin(remote, manifest, ticket, patience());
  return { manifest, content: await readAll(download, 0, manifest.length) };
}

async function readAll(download: Download, start: number, stop: number): Promise<Buffer> {
  const pieces = [];
  for await (const piece of download.read(start, stop, patience())) pieces.push(piece);
  return Buffer.concat(pieces);
}

const fragmentOf = (link: string): Fragment => parseLink(link).fragment;

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof ConsigneError ? error.code : String(error);
}

test("what is put here is got by the command, folders and all", async () => {
  const files = { "bag/one.bin": random(300_000), "bag/deep/two": random(10), "bag/none": random(0) };
  const source = new Source([...sourceOf(files).files, { entry: { path: "bag/empty/", size: 0 } }]);
  const { link, manage } = await give(source, { note: "für dich", password: "Zwölf Boxkämpfer" });
  const password = join(host.folder, "password");
  writeFileSync(password, "Zwölf Boxkämpfer\n");
  const into = join(host.folder, "got");
  await host.command("get", link, "-o", into, "--password-file", password);
  for (const [path, data] of Object.entries(files)) {
    expect(readFileSync(join(into, path)).equals(data)).toBe(true);
  }
  expect(() => readFileSync(join(into, "bag/empty"))).toThrow("EISDIR");
  const listed = JSON.parse(await host.command("ls", link, "--json", "--password-file", password));
  expect(listed.note).toBe("für dich");
  await host.command("rm", manage);
  expect(await codeOf(openLink(remote, fragmentOf(link), "Zwölf Boxkämpfer"))).toBe("gone");
});

test("what the command put is read here, whole and in ranges", async () => {
  mkdirSync(join(host.folder, "given"));
  const data = random(9 * 1024 * 1024 + 5);
  writeFileSync(join(host.folder, "given/film.mp4"), data);
  const link = await host.command("put", join(host.folder, "given"), "--quiet");
  const { manifest, content } = await take(fragmentOf(link));
  expect(manifest.files.map((file) => file.path)).toEqual(["given/film.mp4"]);
  expect(content.equals(data)).toBe(true);
  const { reader } = await openLink(remote, fragmentOf(link));
  const ticket = await remote.startDownload(reader.linkId, reader.token);
  const download = await Download.begin(remote, manifest, ticket, patience());
  await fc.assert(
    fc.asyncProperty(fc.nat(data.length), fc.nat(700_000), async (start, count) => {
      const stop = Math.min(start + count, data.length);
      expect((await readAll(download, start, stop)).equals(data.subarray(start, stop))).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test("round trips at random sizes", async () => {
  const size = fc.oneof(fc.nat(10_000), fc.nat(1_200_000), fc.constantFrom(0, 262_088, 262_089, 524_216));
  await fc.assert(
    fc.asyncProperty(fc.array(size, { minLength: 1, maxLength: 4 }), async (sizes) => {
      const files = Object.fromEntries(sizes.map((bytes, index) => [`f${index}`, random(bytes)]));
      const { link } = await give(sourceOf(files));
      const { content } = await take(fragmentOf(link));
      expect(content.equals(Buffer.concat(Object.values(files)))).toBe(true);
    }),
    { numRuns: 15 },
  );
});

test("a put that went through half its parts goes on, and sends only what is missing", async () => {
  const data = random(40 * 1024 * 1024);
  const story = storyOf(sourceOf({ big: data }), await planOf({}));
  const stop = new AbortController();
  const first: number[] = [];
  const onSent = (bytes: number) => {
    first.push(bytes);
    if (first.length === 2) stop.abort();
  };
  await expect(put({ ...story, patience: new Patience(5, stop.signal), onSent })).rejects.toThrow();
  const again: number[] = [];
  const given = await put({ ...story, onSent: (bytes) => again.push(bytes) });
  expect(first.length + again.length).toBeLessThanOrEqual(7); // of 6 parts one may have been cut
  expect(again.length).toBeLessThan(6);
  const { content } = await take(fragmentOf(given.link));
  expect(content.equals(data)).toBe(true);
});

test("a file that is another one when the put goes on is refused before it is sent", async () => {
  const story = storyOf(sourceOf({ f: random(20_000_000) }), await planOf({}));
  const stop = new AbortController();
  const cut = { patience: new Patience(5, stop.signal), onSent: () => stop.abort() };
  await expect(put({ ...story, ...cut })).rejects.toThrow();
  const other = sourceOf({ f: random(20_000_000) });
  expect(await codeOf(put({ ...story, source: other }))).toBe("file-changed");
});

test("a host that has parts which nobody sent is not believed", async () => {
  const source = sourceOf({ f: random(9_000_000) });
  const plan = await planOf({});
  await put(storyOf(source, plan));
  expect(await codeOf(put(storyOf(source, plan)))).toBe("host-broken");
});

test("wrong and missing passwords have names", async () => {
  const { link } = await give(sourceOf({ f: random(10) }), { password: "right" });
  expect(await codeOf(openLink(remote, fragmentOf(link)))).toBe("password-needed");
  expect(await codeOf(openLink(remote, fragmentOf(link), "wrong"))).toBe("password-wrong");
});

test("a link for one download gives one", async () => {
  const { link, manage } = await give(sourceOf({ f: random(10) }), { downloads: 1 });
  await take(fragmentOf(link));
  expect(await codeOf(take(fragmentOf(link)))).toBe("downloads-used-up");
  const { manifest } = await openObject(remote, fragmentOf(manage));
  expect(manifest.links).toEqual([{ number: 0n, password: false }]);
});

test("nobody at the address", async () => {
  const nobody = new Remote("http://127.0.0.1:9", () => new Patience(0.1));
  expect(await codeOf(nobody.service())).toBe("connection-lost");
  expect((await remote.service()).upload).toBe("open");
});
