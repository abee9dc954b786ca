// What a host answers, checked before it is believed.
//
// A host's own words are never shown: its problem codes choose words of ours.

import {
  type ConsigneError,
  GoneError,
  HostError,
  PasswordError,
  TransientError,
  UsageError,
} from "./errors.ts";
import type { LinkState, LinkView, ObjectState, Service } from "./protocol.ts";
import { MAX_PARTS, PART_SIZES } from "./protocol.ts";

type Members = Record<string, unknown>;

const PROBLEM_CODES = new Set([
  ...["bad-request", "id-mismatch", "limit", "token-missing", "token-wrong", "ticket-spent", "not-found"],
  ...["method-not-allowed", "too-slow", "object-exists", "object-complete", "parts-missing", "part-busy"],
  ...["length-mismatch", "link-exists", "capsule-exists", "gone", "downloads-used-up", "length-required"],
  ...["capsule-changed", "too-large", "range-not-satisfiable", "link-locked", "slow-down"],
  ...[
    "too-many-downloads",
    "head-too-large",
    "internal",
    "busy",
    "not-yet",
    "storage-full",
    "storage-failed",
  ],
]);
const TRY_AGAIN = new Set([408, 425, 429, 500, 502, 503, 504]);
const TRY_AGAIN_CODES = new Set(["part-busy", "busy", "not-yet", "too-slow", "internal", "storage-failed"]);
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const CONTENT_RANGE = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15})$/;

/** The error of ours that an answer other than success stands for. */
export function refused(status: number, body: unknown, retryAfterText: string | null): ConsigneError {
  const said = isMembers(body) && typeof body.code === "string" ? body.code : "";
  const known = PROBLEM_CODES.has(said);
  const code = known ? said : "host-broken";
  const retryAfter = /^[0-9]{1,6}$/.test(retryAfterText ?? "") ? Number(retryAfterText) : undefined;
  if (["not-found", "gone", "downloads-used-up"].includes(code)) return new GoneError(code);
  if (code === "limit") return new UsageError(code);
  if (["slow-down", "link-locked"].includes(code)) return new PasswordError(code);
  if (TRY_AGAIN_CODES.has(code) || (!known && TRY_AGAIN.has(status))) {
    return new TransientError(code, status, retryAfter);
  }
  return new HostError(code, status, retryAfter);
}

/** An answer that does not keep to the protocol. */
export function broken(): HostError {
  return new HostError("host-broken");
}

export function objectState(value: unknown): ObjectState {
  const members = asMembers(value);
  const partSize = whole(members.part_size);
  if (!PART_SIZES.some((size) => size === partSize)) throw broken();
  return {
    id: text(members.id),
    complete: flag(members.complete),
    length: wholeOrNull(members.length),
    part_size: partSize,
    parts: runs(members.parts),
    expires: instant(members.expires),
    links: members.links === undefined ? [] : list(members.links).map(linkState),
  };
}

export function linkState(value: unknown): LinkState {
  const members = asMembers(value);
  return {
    id: text(members.id),
    expires: instant(members.expires),
    downloads: whole(members.downloads),
    downloads_left: wholeOrNull(members.downloads_left),
    locked: flag(members.locked),
  };
}

export function linkView(value: unknown): LinkView {
  const members = asMembers(value);
  return {
    object: text(members.object),
    complete: flag(members.complete),
    length: wholeOrNull(members.length),
    part_size: whole(members.part_size),
    expires: instant(members.expires),
    downloads: whole(members.downloads),
    downloads_left: wholeOrNull(members.downloads_left),
  };
}

export function service(value: unknown): Service {
  const members = asMembers(value);
  return {
    upload: text(members.upload),
    max_length: whole(members.max_length),
    max_expires_in: whole(members.max_expires_in),
    default_expires_in: whole(members.default_expires_in),
    max_downloads: whole(members.max_downloads),
  };
}

/** The text of a ticket. */
export function ticket(value: unknown): string {
  return text(asMembers(value).ticket);
}

/** [first, after the last, total] of a 206 answer; it starts where it was asked to. */
export function contentRange(header: string | null, start: number, stop: number): [number, number, number] {
  const found = CONTENT_RANGE.exec(header ?? "");
  if (found === null) throw broken();
  const [first, last, total] = found.slice(1).map(Number) as [number, number, number];
  if (first !== start || last < first || last >= Math.min(stop, total)) throw broken();
  return [first, last + 1, total];
}

/** [first, last] pairs that rise and do not touch. */
function runs(value: unknown): [number, number][] {
  let after = -1;
  return list(value).map((pair) => {
    const [first, last] = list(pair).map(whole);
    if (first === undefined || last === undefined || first <= after || last < first || last >= MAX_PARTS) {
      throw broken();
    }
    after = last + 1;
    return [first, last];
  });
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asMembers(value: unknown): Members {
  if (!isMembers(value)) throw broken();
  return value;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw broken();
  return value;
}

function text(value: unknown): string {
  if (typeof value !== "string") throw broken();
  return value;
}

function flag(value: unknown): boolean {
  if (typeof value !== "boolean") throw broken();
  return value;
}

function whole(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw broken();
  return value as number;
}

function wholeOrNull(value: unknown): number | null {
  return value === null ? null : whole(value);
}

function instant(value: unknown): string {
  const given = text(value);
  if (!INSTANT.test(given)) throw broken();
  return given;
}
