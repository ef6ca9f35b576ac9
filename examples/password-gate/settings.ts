/** What the surroundings say. `REDIS_URL` and `SESSION_SECRET_KEY` are read by the library itself. */
export interface Settings {
  /** `undefined`: the gate is off. */
  readonly password: string | undefined;
  readonly port: number;
  /** For so long after the password was given it is not asked for again, ms. */
  readonly fresh: number;
  /** One proxy that ends TLS stands before this app. */
  readonly proxy: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Short ones are guessed in spite of the throttle (ASVS 6.2.1). */
const SHORTEST = 8;

/** Throws an error that names the variable, and never repeats a value: one of them is the password. */
export function readSettings(env: Environment): Settings {
  const gated = readSwitch(env, 'REQUIRE_APP_AUTH', true);
  return {
    password: gated ? readPassword(env) : undefined,
    port: readNumber(env, 'PORT', 3_000, 65_535),
    fresh: readNumber(env, 'STEP_UP_SECONDS', 300, 86_400) * 1000,
    proxy: readSwitch(env, 'TRUST_PROXY', false),
  };
}

function readPassword({ APP_PASSWORD: password = '' }: Environment): string {
  if (password === '') throw new Error('APP_PASSWORD must be set, or REQUIRE_APP_AUTH=false in development');
  if (password.length < SHORTEST) throw new Error(`APP_PASSWORD must have at least ${SHORTEST} characters`);
  return password;
}

/** A word that is nearly `false` must neither open the gate nor be passed over. */
function readSwitch(env: Environment, name: string, usual: boolean): boolean {
  const value = env[name] || String(usual);
  if (value !== 'true' && value !== 'false') throw new Error(`${name} must be true or false`);
  return value === 'true';
}

function readNumber(env: Environment, name: string, usual: number, most: number): number {
  const number = Number(env[name] || usual);
  if (Number.isInteger(number) && number >= 0 && number <= most) return number;
  throw new Error(`${name} must be a whole number from 0 to ${most}`);
}
