// What can go wrong, by kind; each error has a stable `code`, the same as in Python (docs/errors.md).
//
// Texts are not here: whoever shows an error has words for its code in the reader's language.

export class ConsigneError extends Error {
  readonly code: string;
  /** The content's segment that failed, where it is one. */
  readonly segment: number | undefined;

  /** `detail` is for developers; it never quotes a name, a link or a key. */
  constructor(code: string, detail = code, segment?: number) {
    super(detail);
    this.name = new.target.name;
    this.code = code;
    this.segment = segment;
  }
}

/** What was given cannot be used: a link, a path, a password. */
export class UsageError extends ConsigneError {}

/** The password does not fit. */
export class PasswordError extends ConsigneError {}

/** What came from the host is not what was put. */
export class AuthenticityError extends ConsigneError {}

/** It is over: expired, removed, revoked, used up, or never was. */
export class GoneError extends ConsigneError {}

/** The host, or the way to it, does not do what it should. `status`: its answer's, if it answered. */
export class HostError extends ConsigneError {
  constructor(
    code: string,
    readonly status?: number,
    readonly retryAfter?: number,
  ) {
    super(code);
  }
}

/** Trouble that may pass: worth another try. */
export class TransientError extends HostError {}
