// The arrows between the rooms, held: data flows one way, and no file imports itself by way of others.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const SOURCE = new URL("../src", import.meta.url).pathname;
const FILES = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".ts"),
);

// file or folder → what it may import of ours. Whatever is not named here may import all but itself.
const ALLOWED: Record<string, string[]> = {
  "errors.ts": [],
  "bytes.ts": [],
  "streams.ts": ["bytes.ts"],
  "protocol.ts": ["bytes.ts"],
  format: ["errors.ts", "bytes.ts", "protocol.ts"],
  "patience.ts": ["errors.ts"],
  "answers.ts": ["errors.ts", "protocol.ts"],
};

function importsOf(name: string): string[] {
  const text = readFileSync(join(SOURCE, name), "utf8");
  const found = [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)];
  return found.map(([, path]) => relative(SOURCE, join(SOURCE, dirname(name), path as string)));
}

const GRAPH = new Map(FILES.map((name) => [name, importsOf(name)]));
const room = (name: string): string => (name.includes("/") ? (name.split("/")[0] as string) : name);

test.each(FILES)("%s imports only what it may", (name) => {
  const here = room(name);
  const allowed = ALLOWED[here];
  for (const target of GRAPH.get(name) ?? []) {
    expect(GRAPH.has(target), `${target} is a file`).toBe(true);
    const there = room(target);
    if (allowed && there !== here) expect(allowed).toContain(there);
  }
});

test("there is no circle", () => {
  const done = new Set<string>();
  const visit = (name: string, above: string[]): void => {
    expect(above, `${[...above, name].join(" → ")}`).not.toContain(name);
    if (done.has(name)) return;
    for (const target of GRAPH.get(name) ?? []) visit(target, [...above, name]);
    done.add(name);
  };
  for (const name of FILES) visit(name, []);
  expect(done.size).toBe(FILES.length);
});
