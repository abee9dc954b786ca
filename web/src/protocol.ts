// What client and host say to each other: routes, sizes, JSON (spec/http-api.md).

import { b64u } from "./bytes.ts";

// ---------------------------------------------------------------- routes, below the host's base address

const API = "api/v1";
export const SERVICE = `${API}/service`;
export const OBJECTS = `${API}/objects`;

export const objectRoute = (id: Uint8Array): string => `${OBJECTS}/${b64u(id)}`;
export const partRoute = (id: Uint8Array, part: number): string => `${objectRoute(id)}/parts/${part}`;
export const completeRoute = (id: Uint8Array): string => `${objectRoute(id)}/complete`;
export const ownerCapsuleRoute = (id: Uint8Array): string => `${objectRoute(id)}/capsule`;
export const contentRoute = (id: Uint8Array): string => `${objectRoute(id)}/content`;
export const linkRoute = (id: Uint8Array): string => `${API}/links/${b64u(id)}`;
export const linkCapsuleRoute = (id: Uint8Array): string => `${linkRoute(id)}/capsule`;
export const linkLockRoute = (id: Uint8Array): string => `${linkRoute(id)}/lock`;
export const downloadsRoute = (id: Uint8Array): string => `${linkRoute(id)}/downloads`;

// ---------------------------------------------------------------- sizes

export const MIB = 1024 * 1024;
export const SEGMENT_SIZE = 256 * 1024; // ciphertext; parts are a whole number of these
export const PART_SIZES = [8 * MIB, 16 * MIB, 32 * MIB, 64 * MIB] as const;
export const MAX_PARTS = 10_000;
export const MAX_CONTENT = MAX_PARTS * 64 * MIB;
export const CAPSULE_OVERHEAD = 1 + 32 + 32 + 16;
export const MAX_CAPSULE = 64 * MIB + CAPSULE_OVERHEAD;

/** Smallest part size that holds `length` bytes of ciphertext in 10,000 parts; undefined over MAX_CONTENT. */
export function partSizeFor(length: number): number | undefined {
  return PART_SIZES.find((size) => length <= size * MAX_PARTS);
}

/** How many parts hold `length` bytes; an empty object has none. */
export function partCount(length: number, partSize: number): number {
  return Math.ceil(length / partSize);
}

/** The strong ETag of an object's content: what an id names never changes. */
export function etagOf(objectId: Uint8Array): string {
  return `"${b64u(objectId)}"`;
}

// ---------------------------------------------------------------- JSON; times in seconds, instants in RFC 3339

export interface NewObject {
  id: string;
  commitment: string;
  owner_hash: string;
  length: number | null;
  expires_in: number | null;
}

export interface NewLink {
  object: string;
  token_hash: string;
  expires_in: number | null;
  downloads: number | null;
}

/** What an owner sees of one link. */
export interface LinkState {
  id: string;
  expires: string;
  downloads: number;
  downloads_left: number | null;
  locked: boolean;
}

/** What an owner sees of an object; `parts` are the durable ones, [first, last]. */
export interface ObjectState {
  id: string;
  complete: boolean;
  length: number | null;
  part_size: number;
  parts: [number, number][];
  expires: string;
  links: LinkState[];
}

/** What whoever holds a link may know. */
export interface LinkView {
  object: string;
  complete: boolean;
  length: number | null;
  part_size: number;
  expires: string;
  downloads: number;
  downloads_left: number | null;
}

/** Limits and policies of a host. */
export interface Service {
  upload: string;
  max_length: number;
  max_expires_in: number;
  default_expires_in: number;
  max_downloads: number;
}
