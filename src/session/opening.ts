import { ALLOWED_SKEW, type Clock } from '../clock.js';
import { SessionError } from '../errors.js';
import type { Emit } from '../observe/events.js';
import {
  type Entry,
  laterStamp,
  reasonOf,
  type Stamp,
  stampOf,
  stampTime,
  ZERO_STAMP,
} from '../store/entry.js';
import type { Found, Lookup, ResilientStore, Source } from '../store/store.js';
import type { TokenRefusal } from '../vault/token.js';
import type { SealedIdentity, Vault, VerifiedToken } from '../vault/vault.js';
import { type OpenFailure, openRecord } from './draft.js';
import { Fields } from './fields.js';
import type { Lifetime } from './lifetime.js';
import { KEY_BY_KEY, mergeRecords } from './merge.js';
import type { Recall } from './recall.js';
import { decodeRecord, type SessionRecord } from './record.js';
import { Session, type SessionActions } from './session.js';
import { SessionState } from './state.js';

export interface OpeningParts {
  readonly store: ResilientStore;
  readonly vault: Vault;
  readonly recall: Recall;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly lifetime: Lifetime;
  readonly actions: SessionActions;
  readonly onUnavailable: 'fresh' | 'reject';
  readonly maxEntryBytes: number;
}

/** What an entry opens to. */
interface Version {
  readonly record: SessionRecord;
  readonly stamp: Stamp;
}

/** Who comes with a token that is right. */
interface Visitor {
  readonly token: string;
  readonly claims: VerifiedToken;
}

/** For so long after a regenerate a request with the old cookie gets an ephemeral session, ms. */
const STRAGGLER = 30_000;

/** Token → session. Whatever cannot be verified is a new session, and looks the same from outside (ASVS 16.5.3). */
export class Opening {
  readonly #parts: OpeningParts;

  constructor(parts: OpeningParts) {
    this.#parts = parts;
  }

  /** A session that nobody has yet. */
  fresh(marks: Partial<SessionState> = {}): Session {
    return new Session(Object.assign(new SessionState(), marks), this.#parts.actions, Fields.none);
  }

  async open(token: string | undefined): Promise<Session> {
    if (token === undefined) return this.fresh();
    const { emit, store, clock } = this.#parts;
    const claims = this.#verified(token);
    if (typeof claims === 'string') {
      if (claims === 'unknown-key') emit('security:unknown-key', { reason: 'token' });
      else emit('security:forged-token', { reason: claims });
      return this.fresh();
    }
    const began = clock.monotonic();
    const { key } = claims.identity;
    const found = store.known(key) ?? (await store.lookup(key));
    const ms = clock.monotonic() - began;
    const session = this.#judge({ token, claims }, found, ms);
    const state = Session.stateOf(session);
    state.token = token;
    state.tokenCurrent = claims.current;
    if (!isAnswered(found)) Object.assign(state.patience, { spent: ms, at: began + ms });
    if (state.base) emit('session:loaded', { session: claims.identity.pseudonym, source: state.source, ms });
    else this.#parts.recall.forget(token);
    return session;
  }

  #verified(token: string): VerifiedToken | TokenRefusal {
    const { vault, recall } = this.#parts;
    const known = recall.token(token);
    if (!known) return vault.verify(token);
    vault.recalled('tokens');
    return known;
  }

  #judge(visitor: Visitor, found: Lookup, ms: number): Session {
    const { lifetime, emit } = this.#parts;
    const { identity, born } = visitor.claims;
    switch (found.state) {
      case 'found':
        return this.#opened(visitor, found);
      case 'ended':
        return this.fresh(this.#isStraggler(found.tombstone) ? { mark: 'ephemeral' } : {});
      case 'foreign':
        emit('security:undecryptable', { session: identity.pseudonym, reason: 'foreign' });
        return this.fresh();
      case 'absent':
        // Born in an outage at another instance, it may be on its way.
        return lifetime.isAwaited(born)
          ? this.#unavailable(identity, born, ms)
          : this.fresh({ named: identity });
      default:
        return this.#unavailable(identity, born, ms);
    }
  }

  #isStraggler(tombstone: Entry): boolean {
    if (reasonOf(tombstone) !== 'regenerated') return false;
    const age = this.#parts.clock.wall() - stampTime(stampOf(tombstone));
    return age < STRAGGLER && age > -ALLOWED_SKEW;
  }

  #unavailable(identity: SealedIdentity, born: number, ms: number): Session {
    this.#parts.emit('session:unavailable', { session: identity.pseudonym, ms });
    if (this.#parts.onUnavailable === 'reject') {
      throw new SessionError('STORE_UNAVAILABLE', 'the session cannot be read now');
    }
    return this.fresh({ identity, born, source: 'unavailable', blind: true, fallback: true });
  }

  #opened(visitor: Visitor, found: Found): Session {
    const { emit, lifetime, store, maxEntryBytes } = this.#parts;
    const { identity, born } = visitor.claims;
    const session = identity.pseudonym;
    if (found.entry.length > maxEntryBytes) {
      emit('security:undecryptable', { session, reason: 'too-large' });
      return this.fresh();
    }
    const version = this.#versionIn(found.entry, visitor);
    if (version === 'unknown-key') {
      emit('security:unknown-key', { session, reason: 'record' });
      return this.fresh({ identity, refused: true });
    }
    if (version === 'undecryptable') {
      store.discard(identity.key);
      emit('security:undecryptable', { session, reason: 'sealed' });
      return this.fresh();
    }
    if (lifetime.isOver(version.record)) {
      emit('session:expired', { session });
      return this.fresh({ named: identity });
    }
    const orphan = found.standing === 'orphan' && !lifetime.isAwaited(born);
    return orphan ? this.#adopted(identity, version.record) : this.#loaded(identity, version, found, born);
  }

  #versionIn(entry: Entry, { token, claims }: Visitor): Version | OpenFailure {
    const { vault, recall } = this.#parts;
    const known = recall.opened(token, entry);
    if (known) {
      vault.recalled('records');
      return known;
    }
    const opened = vault.open(claims.identity, entry);
    if (!opened.opened) return opened.because;
    const record = decodeRecord(opened.text);
    if (!record) return 'undecryptable';
    // What another secret opens is counted each time, and is written anew soon.
    if (claims.current && opened.current) recall.keep(token, claims, entry, record);
    return { record, stamp: stampOf(entry) };
  }

  #loaded(identity: SealedIdentity, { record, stamp }: Version, found: Found, born: number): Session {
    const { source, confirmed, standing, orphaned } = found;
    const stored = isStored(source);
    const merged = found.other && this.#mergedWith(identity, record, found.other);
    const version = merged ?? record;
    const state = new SessionState();
    state.identity = identity;
    // What was restored is as old as it was: a stamp of now would let it win over what came since.
    const seen = found.other ? laterStamp(stamp, stampOf(found.other)) : stamp;
    state.base = { record: version, stamp, seen, confirmed, acknowledged: source !== 'journal' };
    state.source = standing === 'blind' ? 'unavailable' : source;
    state.born = stored ? 0 : born;
    state.cookie = stored && born !== 0 ? 'set' : 'keep';
    state.maxAge = version.maxAge;
    state.login = version.login;
    state.force = merged !== undefined;
    state.named = orphaned ? identity : undefined;
    state.orphan = orphaned ?? false;
    state.blind = standing !== 'seen';
    state.fallback = !stored;
    if (orphaned && !merged) this.#parts.store.adopted(identity.key);
    return new Session(state, this.#parts.actions, version.fields);
  }

  /** What another version has that this one lacks, to be saved. */
  #mergedWith(identity: SealedIdentity, record: SessionRecord, other: Entry): SessionRecord | undefined {
    const opened = openRecord(this.#parts.vault, identity, other);
    if (typeof opened === 'string') return undefined;
    const merged = mergeRecords(record, opened, KEY_BY_KEY, ZERO_STAMP);
    return merged.fields.text === record.fields.text ? undefined : merged;
  }

  /** A blind write whose session is not there: its data goes on under a new id, because no id is ever adopted. */
  #adopted(identity: SealedIdentity, record: SessionRecord): Session {
    const marks = { source: 'journal', named: identity, orphan: true, force: true, fallback: true } as const;
    return new Session(Object.assign(new SessionState(), marks), this.#parts.actions, record.fields);
  }
}

/** Whether the store itself has spoken. What a request has waited for in vain its commits need not wait for again. */
function isAnswered(found: Lookup): boolean {
  return found.state !== 'unavailable' && (found.state !== 'found' || isStored(found.source));
}

/** Whether that is what the store holds. */
function isStored(source: Source): boolean {
  return source === 'primary' || source === 'cache';
}
