// The host, as the client sees it: the one file that speaks HTTP.
//
// Every answer is bounded and checked before it is believed. Redirects are not followed, so
// tokens cannot follow them. Every request may be repeated safely, so connection trouble and
// "try again" answers are waited out with the patience of the caller.

import * as answers from "./answers.ts";
import { broken } from "./answers.ts";
import { type Bytes, b64u, unb64u } from "./bytes.ts";
import { HostError, TransientError } from "./errors.ts";
import { Patience } from "./patience.ts";
import * as protocol from "./protocol.ts";
import { piecesOf } from "./streams.ts";

const MAX_JSON = 4 * protocol.MIB;
const MAX_PROBLEM = 64 * 1024;
const DEFAULT_PATIENCE = 30; // seconds

interface Request {
  method: string;
  route: string;
  token?: Bytes;
  body?: Bytes | Blob;
  headers?: Record<string, string>;
}

/** Ciphertext [start, stop) of a content of `total` bytes, arriving. */
export interface ContentAnswer {
  readonly start: number;
  readonly stop: number;
  readonly total: number;
  readonly pieces: ReadableStream<Bytes>;
}

export class Remote {
  /** `base`: the host's address without a final slash, as a link gives it. */
  constructor(
    readonly base: string,
    private readonly newPatience = () => new Patience(DEFAULT_PATIENCE),
  ) {}

  async service(): Promise<protocol.Service> {
    return answers.service(await this.json({ method: "GET", route: protocol.SERVICE }));
  }

  /** Throws HostError `object-exists` when a first try was heard after all. */
  async createObject(body: protocol.NewObject): Promise<protocol.ObjectState> {
    return answers.objectState(await this.json({ method: "POST", route: protocol.OBJECTS }, body));
  }

  async objectState(id: Bytes, token: Bytes): Promise<protocol.ObjectState> {
    return answers.objectState(await this.json({ method: "GET", route: protocol.objectRoute(id), token }));
  }

  /** Send one part; durable on the host when this returns. */
  async putPart(id: Bytes, token: Bytes, part: number, body: Bytes, patience: Patience): Promise<void> {
    await this.bytes({ method: "PUT", route: protocol.partRoute(id, part), token, body }, patience);
  }

  async complete(id: Bytes, token: Bytes, length: number): Promise<protocol.ObjectState> {
    const request = { method: "POST", route: protocol.completeRoute(id), token };
    return answers.objectState(await this.json(request, { length }));
  }

  async extend(id: Bytes, token: Bytes, expiresIn: number): Promise<protocol.ObjectState> {
    const request = { method: "PATCH", route: protocol.objectRoute(id), token };
    return answers.objectState(await this.json(request, { expires_in: expiresIn }));
  }

  async remove(id: Bytes, token: Bytes): Promise<void> {
    await this.bytes({ method: "DELETE", route: protocol.objectRoute(id), token });
  }

  ownerCapsule(id: Bytes, token: Bytes): Promise<Bytes> {
    const request = { method: "GET", route: protocol.ownerCapsuleRoute(id), token };
    return this.bytes(request, undefined, protocol.MAX_CAPSULE);
  }

  /** Write the owner capsule; `replaces`: the one that must be there now. */
  async putOwnerCapsule(id: Bytes, token: Bytes, body: Bytes, replaces?: Bytes): Promise<void> {
    const headers: Record<string, string> = {};
    if (replaces) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", replaces));
      headers["If-Match"] = `"${b64u(digest)}"`;
    }
    await this.bytes({ method: "PUT", route: protocol.ownerCapsuleRoute(id), token, body, headers });
  }

  /** Make a link; it opens when its capsule is there. */
  async putLink(id: Bytes, token: Bytes, body: protocol.NewLink): Promise<protocol.LinkState> {
    return answers.linkState(await this.json({ method: "PUT", route: protocol.linkRoute(id), token }, body));
  }

  async putLinkCapsule(id: Bytes, token: Bytes, body: Bytes): Promise<void> {
    await this.bytes({ method: "PUT", route: protocol.linkCapsuleRoute(id), token, body });
  }

  async revoke(id: Bytes, token: Bytes): Promise<void> {
    await this.bytes({ method: "DELETE", route: protocol.linkRoute(id), token });
  }

  async unlock(id: Bytes, token: Bytes): Promise<void> {
    await this.bytes({ method: "DELETE", route: protocol.linkLockRoute(id), token });
  }

  /** What whoever holds the link may know. Counts nothing. */
  async linkView(id: Bytes, token: Bytes): Promise<protocol.LinkView> {
    return answers.linkView(await this.json({ method: "GET", route: protocol.linkRoute(id), token }));
  }

  /** A link's capsule. Counts nothing. */
  linkCapsule(id: Bytes, token: Bytes): Promise<Bytes> {
    const request = { method: "GET", route: protocol.linkCapsuleRoute(id), token };
    return this.bytes(request, undefined, protocol.MAX_CAPSULE);
  }

  /** A ticket; it counts when its first content byte is served. */
  async startDownload(id: Bytes, token: Bytes): Promise<Bytes> {
    const answer = await this.json({ method: "POST", route: protocol.downloadsRoute(id), token });
    const ticket = unb64u(answers.ticket(answer));
    if (ticket?.length !== 32) throw broken();
    return ticket;
  }

  /** Ciphertext from `start`, up to `stop` or as far as the host has it. One try. */
  async content(
    id: Bytes,
    token: Bytes,
    start: number,
    stop: number,
    signal?: AbortSignal,
  ): Promise<ContentAnswer> {
    const headers = { Range: `bytes=${start}-${stop - 1}`, "If-Range": protocol.etagOf(id) };
    const request = { method: "GET", route: protocol.contentRoute(id), token, headers };
    const response = await this.once(request, signal);
    const [first, after, total] = answers.contentRange(response.headers.get("Content-Range"), start, stop);
    if (response.body === null) throw broken();
    return { start: first, stop: after, total, pieces: response.body as ReadableStream<Bytes> };
  }

  // ---------------------------------------------------------------- one request

  private async json(request: Request, body?: object): Promise<unknown> {
    const sent: Request = body
      ? {
          ...request,
          body: new Blob([JSON.stringify(body)]),
          headers: { "Content-Type": "application/json" },
        }
      : request;
    return asJson(await this.bytes(sent, undefined, MAX_JSON));
  }

  private bytes(request: Request, patience = this.newPatience(), limit = MAX_PROBLEM): Promise<Bytes> {
    return patience.through(async () => readBounded(await this.once(request, patience.signal), limit));
  }

  /** One request, one answer. Throws for everything but success. */
  private async once(request: Request, signal: AbortSignal | undefined): Promise<Response> {
    const headers = new Headers(request.headers);
    if (request.token) headers.set("Authorization", `Bearer ${b64u(request.token)}`);
    let response: Response;
    try {
      response = await fetch(`${this.base}/${request.route}`, {
        method: request.method,
        headers,
        body: request.body ?? null,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: signal ?? null,
      });
    } catch {
      signal?.throwIfAborted();
      throw new TransientError("connection-lost");
    }
    if ([200, 201, 204, 206].includes(response.status)) return response;
    throw await refusalOf(response);
  }
}

async function refusalOf(response: Response): Promise<HostError | Error> {
  const body = await readBounded(response, MAX_PROBLEM);
  let value: unknown;
  try {
    value = asJson(body);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
  }
  return answers.refused(response.status, value, response.headers.get("Retry-After"));
}

function asJson(data: Bytes): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch {
    throw broken();
  }
}

/** All of an answer, which must say how long it is and keep to it. */
async function readBounded(response: Response, limit: number): Promise<Bytes> {
  if (response.status === 204) return new Uint8Array();
  const length = Number(response.headers.get("Content-Length") ?? Number.NaN);
  if (!(length >= 0 && length <= limit)) {
    await response.body?.cancel();
    throw broken();
  }
  const body = new Uint8Array(length);
  let filled = 0;
  try {
    for await (const piece of response.body ? piecesOf(response.body as ReadableStream<Bytes>) : []) {
      if (filled + piece.length > length) throw broken();
      body.set(piece, filled);
      filled += piece.length;
    }
  } catch (error) {
    throw error instanceof HostError ? error : new TransientError("connection-lost");
  }
  if (filled < length) throw new TransientError("connection-lost");
  return body;
}
