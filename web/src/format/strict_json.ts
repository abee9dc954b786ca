// JSON that every language reads alike, or not at all.
//
// `JSON.parse` keeps the last of two equal names, rounds numbers and knows no bound. A
// manifest that two readers understand differently is an attack, so this is a reader of its
// own: one pass, whole numbers, no name twice, at most 16 deep, 1,100,000
// containers and 5,500,000 commas (RFC 8259 allows to refuse), counted while it reads. Objects become Maps: no name means anything to the language.

import { type Bytes, utf8 } from "../bytes.ts";
import { AuthenticityError } from "../errors.ts";

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = Map<string, Json>;

const MAX_DEPTH = 16;
const MAX_CONTAINERS = 1_100_000; // a million files and some
const MAX_COMMAS = 5_500_000;
const NUMBER = /(?:0|[1-9][0-9]{0,15})(?![0-9.eE])/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;
const UNICODE = /[0-9a-fA-F]{4}/y;
const WORDS: [string, Json][] = [
  ["null", null],
  ["true", true],
  ["false", false],
];
const ESCAPES: Record<string, string> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** The value in `data`. Throws AuthenticityError `manifest-invalid` for whatever is not strict. */
export function parse(data: Bytes): Json {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw invalid("it is not UTF-8");
  }
  return new Reader(text).document();
}

/** Compact UTF-8 JSON of plain values; names in the order in which they stand. */
export function serialise(value: unknown): Bytes {
  const text = JSON.stringify(value);
  if (!text.isWellFormed() || /\\ud[89a-f]/.test(text)) throw invalid("it holds text that is not Unicode");
  return utf8(text);
}

/** A manifest that must not be used; `reason` never quotes it. */
export function invalid(reason: string): AuthenticityError {
  return new AuthenticityError("manifest-invalid", reason);
}

class Reader {
  private at = 0;
  private depth = 0;
  private containers = 0;
  private commas = 0;

  constructor(private readonly text: string) {}

  document(): Json {
    const value = this.value();
    this.skipSpace();
    if (this.at !== this.text.length) throw invalid("something follows it");
    return value;
  }

  private value(): Json {
    this.skipSpace();
    switch (this.text[this.at]) {
      case "{":
        return this.container(() => this.object());
      case "[":
        return this.container(() => this.array());
      case '"':
        return this.string();
      default:
        return this.word();
    }
  }

  private container<T>(read: () => T): T {
    this.at++;
    this.depth++;
    this.containers++;
    if (this.depth > MAX_DEPTH) throw invalid("it is nested too deeply");
    if (this.containers > MAX_CONTAINERS) throw invalid("it holds too many values");
    const value = read();
    this.depth--;
    return value;
  }

  private object(): JsonObject {
    const members: JsonObject = new Map();
    if (this.found("}")) return members;
    do {
      this.skipSpace();
      const name = this.string();
      this.expect(":");
      if (members.has(name)) throw invalid("a name stands twice");
      members.set(name, this.value());
    } while (this.another());
    this.expect("}");
    return members;
  }

  private array(): Json[] {
    const items: Json[] = [];
    if (this.found("]")) return items;
    do {
      items.push(this.value());
    } while (this.another());
    this.expect("]");
    return items;
  }

  private string(): string {
    if (this.text[this.at] !== '"') throw invalid("it is not strict JSON");
    this.at++;
    let value = this.match(PLAIN);
    while (this.text[this.at] === "\\") {
      this.at++;
      value += this.escape() + this.match(PLAIN);
    }
    if (this.text[this.at] !== '"') throw invalid("it is not strict JSON");
    this.at++;
    if (!value.isWellFormed()) throw invalid("it holds text that is not Unicode");
    return value;
  }

  private escape(): string {
    const kind = this.text[this.at++] ?? "";
    if (kind === "u") {
      const digits = this.match(UNICODE);
      if (digits !== "") return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const meant = Object.hasOwn(ESCAPES, kind) ? ESCAPES[kind] : undefined;
    if (meant === undefined) throw invalid("it is not strict JSON");
    return meant;
  }

  private word(): Json {
    const digits = this.match(NUMBER);
    if (digits !== "") {
      const number = Number(digits);
      if (!Number.isSafeInteger(number)) throw invalid("not a number of the format");
      return number;
    }
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    throw invalid("it is not strict JSON");
  }

  private another(): boolean {
    const is = this.found(",");
    if (is && ++this.commas > MAX_COMMAS) throw invalid("it holds too many values");
    return is;
  }

  private found(character: string): boolean {
    this.skipSpace();
    const is = this.text[this.at] === character;
    if (is) this.at++;
    return is;
  }

  private expect(character: string): void {
    if (!this.found(character)) throw invalid("it is not strict JSON");
  }

  private skipSpace(): void {
    this.match(SPACE);
  }

  /** What a sticky expression finds just here, perhaps nothing. */
  private match(expression: RegExp): string {
    expression.lastIndex = this.at;
    const found = expression.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }
}
