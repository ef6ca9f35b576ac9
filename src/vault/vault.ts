import { createHmac } from 'node:crypto';
import type { Clock } from '../clock.js';
import type { Entry, Stamp } from '../store/entry.js';
import { Keyring, type SecretKeys, type SecretUse } from './keyring.js';
import { type Opened, Sealer } from './seal.js';
import { pseudonymOf, storeKeyOf, type TokenClaims, type TokenRefusal, Tokens } from './token.js';

export interface VaultOptions {
  readonly secrets: readonly string[];
  readonly cookieName: string;
  readonly prefix: string;
}

/** Who a session is to the layers below. */
export interface SealedIdentity {
  readonly id: Buffer;
  readonly key: string;
  readonly pseudonym: string;
}

/** What a token says, and whom it names. */
export type VerifiedToken = TokenClaims & { readonly identity: SealedIdentity };

const ID_BYTES = 32;

/** Tokens, store keys and seals of one `session()`. Holds secrets only as KeyObjects, which print no bytes. */
export class Vault {
  readonly #keyring: Keyring;
  readonly #tokens: Tokens;
  readonly #sealer: Sealer;
  readonly #clock: Clock;

  constructor(options: VaultOptions, clock: Clock) {
    const keyring = new Keyring(options.secrets);
    this.#keyring = keyring;
    this.#tokens = new Tokens(keyring, options.cookieName, () => clock.wall());
    this.#sealer = new Sealer(keyring, clock, options.prefix);
    this.#clock = clock;
  }

  /** A new identity of 256 random bits (ASVS 7.2.3 asks for 128). */
  newIdentity(): SealedIdentity {
    return identityOf(this.#clock.bytes(ID_BYTES));
  }

  /** Who has this id. */
  identify(id: Buffer): SealedIdentity {
    return identityOf(id);
  }

  /**
   * Where the index of a user's sessions is: under an id that the secret and the user's name give, one for each secret, the
   * current one first. Who has the secret and guesses the name can open an index, and no session.
   */
  indexIdentities(user: string): readonly [SealedIdentity, ...SealedIdentity[]] {
    const [first, ...others] = this.#keyring.all;
    return [indexIdentity(first, user), ...others.map(keys => indexIdentity(keys, user))];
  }

  /** Where instances tell each other which secrets they need: one place for each secret, the current one first. */
  bookIdentities(): readonly { readonly kid: string; readonly identity: SealedIdentity }[] {
    return this.#keyring.all.map(({ kid, book }) => ({
      kid: kid.toString('hex'),
      identity: identityOf(createHmac('sha256', book).update('secrets').digest()),
    }));
  }

  /** How often each secret was needed here, in the order of the list. */
  secretUses(): readonly SecretUse[] {
    return this.#keyring.uses();
  }

  /** A token, or a record, of the first secret was known from before. */
  recalled(what: 'tokens' | 'records'): void {
    this.#keyring.count(this.#keyring.current, what, this.#clock.wall());
  }

  /** `born`: wall-clock ms if the store has not acknowledged the session yet, else 0. */
  issue(identity: SealedIdentity, born: number): string {
    return this.#tokens.issue(identity.id, born);
  }

  verify(token: string): VerifiedToken | TokenRefusal {
    const claims = this.#tokens.verify(token);
    return typeof claims === 'string' ? claims : { ...claims, identity: identityOf(claims.id) };
  }

  seal(identity: SealedIdentity, stamp: Stamp, text: string): Entry {
    return this.#sealer.seal(identity.id, identity.key, stamp, text);
  }

  /** A session's record. */
  open(identity: SealedIdentity, entry: Entry): Opened {
    return this.#sealer.open(identity.id, identity.key, entry);
  }

  /** What the library keeps for itself: no session needs the secret for it. */
  openOwn(identity: SealedIdentity, entry: Entry): Opened {
    return this.#sealer.open(identity.id, identity.key, entry, false);
  }
}

function indexIdentity(keys: SecretKeys, user: string): SealedIdentity {
  return identityOf(createHmac('sha256', keys.index).update(user, 'utf8').digest());
}

function identityOf(id: Buffer): SealedIdentity {
  const key = storeKeyOf(id);
  return { id, key, pseudonym: pseudonymOf(key) };
}
