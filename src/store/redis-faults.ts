import { type FaultClass, type Reason, StoreFault } from './fault.js';

/** Server replies by the first word of their message (node-redis gives them no code). All say: not applied. */
const REPLIES: Readonly<Record<string, Reason>> = {
  LOADING: 'loading',
  READONLY: 'readonly',
  NOREPLICAS: 'readonly',
  OOM: 'oom',
  MISCONF: 'misconf',
  MASTERDOWN: 'other',
  NOAUTH: 'auth',
  WRONGPASS: 'auth',
  NOPERM: 'auth',
  BUSY: 'busy',
  NOSCRIPT: 'other',
  CLUSTERDOWN: 'other',
  MOVED: 'other',
  ASK: 'other',
  TRYAGAIN: 'other',
};

/** Client errors by class name or system code. */
const CLIENT_ERRORS: Readonly<Record<string, readonly [FaultClass, Reason]>> = {
  ClientClosedError: ['not-applied', 'refused'],
  ClientOfflineError: ['not-applied', 'refused'],
  AbortError: ['not-applied', 'other'],
  ConnectionTimeoutError: ['not-applied', 'timeout'],
  RootNodesUnavailableError: ['not-applied', 'refused'],
  ECONNREFUSED: ['not-applied', 'refused'],
  ENOTFOUND: ['not-applied', 'refused'],
  EAI_AGAIN: ['not-applied', 'refused'],
  SocketClosedUnexpectedlyError: ['ambiguous', 'reset'],
  SocketTimeoutError: ['ambiguous', 'timeout'],
  DisconnectsClientError: ['ambiguous', 'reset'],
  ECONNRESET: ['ambiguous', 'reset'],
  EPIPE: ['ambiguous', 'reset'],
  ETIMEDOUT: ['ambiguous', 'timeout'],
};

/** A fault from whatever node-redis threw. Nothing of the message is kept: it may quote a key or a password. */
export function redisFault(error: unknown): StoreFault {
  if (error instanceof StoreFault) return error;
  if (!(error instanceof Error)) return new StoreFault('ambiguous', 'other');
  const known = CLIENT_ERRORS[codeOf(error)] ?? CLIENT_ERRORS[error.constructor.name];
  if (known) return new StoreFault(...known);
  if (error.message === 'The queue is full') return new StoreFault('not-applied', 'busy');
  return isReply(error) ? replyFault(error.message) : new StoreFault('ambiguous', 'other');
}

/** Whether the server said that the value under the key is not a string. */
export function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('WRONGTYPE');
}

export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

function replyFault(message: string): StoreFault {
  // A script reports the error of a command inside it after its own prefix on older servers.
  const word =
    /^(?:ERR Error running script[^:]*: )?-?@?(?:user_script: ?\d+: )?-?([A-Z]+)\b/.exec(message)?.[1] ?? '';
  if (message.startsWith('ERR max number of clients')) return new StoreFault('not-applied', 'refused');
  const reason = REPLIES[word];
  return reason ? new StoreFault('not-applied', reason) : new StoreFault('ours', 'other');
}

function isReply(error: Error): boolean {
  return error.constructor.name === 'SimpleError' || error.constructor.name === 'BlobError';
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
