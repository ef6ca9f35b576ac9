/** Every code that an error of this library can carry. The set is closed: new codes come only with a new minor version. */
export type SessionErrorCode =
  | 'CONFIG_INVALID'
  | 'ENCRYPTION_INIT'
  | 'DUPLICATE_MIDDLEWARE'
  | 'NOT_LOADED'
  | 'RESERVED_KEY'
  | 'DATA_INVALID'
  | 'DATA_TOO_LARGE'
  | 'SESSION_ENDED'
  | 'TOO_MANY_SESSIONS'
  | 'STORE_UNAVAILABLE'
  | 'CLOSED';

const RETRY_AFTER_SECONDS = '1';

/**
 * An error of this library. `code` is one of {@link SessionErrorCode}; messages never hold tokens, keys, secrets or
 * session data. `STORE_UNAVAILABLE` and `CLOSED` carry `status` 503 and a `Retry-After` header (RFC 9110 §10.2.3),
 * which Koa uses when nothing else handles them.
 */
export class SessionError extends Error {
  override readonly name = 'SessionError';
  readonly code: SessionErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: SessionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    const unavailable = code === 'STORE_UNAVAILABLE' || code === 'CLOSED';
    this.status = unavailable ? 503 : 500;
    this.headers = unavailable ? { 'Retry-After': RETRY_AFTER_SECONDS } : {};
  }
}

/** A wrong option: a `TypeError` where the kind of value is wrong. */
export class ConfigTypeError extends TypeError {
  readonly code: 'CONFIG_INVALID' | 'ENCRYPTION_INIT';

  constructor(message: string, code: 'CONFIG_INVALID' | 'ENCRYPTION_INIT' = 'CONFIG_INVALID') {
    super(message);
    this.code = code;
  }
}

/** A wrong option: a `RangeError` where the kind is right and the value is not. */
export class ConfigRangeError extends RangeError {
  readonly code: 'CONFIG_INVALID' | 'ENCRYPTION_INIT';

  constructor(message: string, code: 'CONFIG_INVALID' | 'ENCRYPTION_INIT' = 'CONFIG_INVALID') {
    super(message);
    this.code = code;
  }
}
