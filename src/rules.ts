import { inspect } from 'node:util';
import { ConfigRangeError, ConfigTypeError } from './errors.js';

export function whole(option: string, value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number') throw wrong(option, 'a number', value);
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw outOf(option, `a whole number from ${min} to ${max}`, value);
  }
  return value;
}

export function flag(option: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw wrong(option, 'true or false', value);
  return value;
}

/** The first choice is the default. */
export function choice<T extends string>(option: string, value: unknown, choices: readonly [T, ...T[]]): T {
  if (value === undefined) return choices[0];
  const found = choices.find(each => each === value);
  if (found === undefined) throw outOf(option, `one of ${choices.join(', ')}`, value);
  return found;
}

export function text(
  option: string,
  value: unknown,
  fallback: string,
  pattern: RegExp,
  rule: string,
): string {
  if (value === undefined) return fallback;
  if (typeof value !== 'string') throw wrong(option, 'a string', value);
  if (!pattern.test(value)) throw outOf(option, rule, value);
  return value;
}

export function object<T extends object>(option: string, value: T, known: readonly string[]): T {
  // What stands in the wrong place may be a secret.
  if (!isObject(value)) throw wrong(option, 'an object', typeof value);
  const unknown = Object.keys(value).find(key => !known.includes(key));
  if (unknown === undefined) return value;
  const name = option === 'options' ? unknown : `${option}.${unknown}`;
  throw new ConfigTypeError(
    `option ${inspect(name, { maxStringLength: 100 })} is unknown; known are ${known.join(', ')}`,
  );
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function wrong(option: string, rule: string, value: unknown): ConfigTypeError {
  return new ConfigTypeError(`option "${option}" must be ${rule}, got ${shown(value)}`);
}

export function outOf(option: string, rule: string, value: unknown): ConfigRangeError {
  return new ConfigRangeError(`option "${option}" must be: ${rule}; got ${shown(value)}`);
}

/** Parts that are wrong together. */
export function outOfTogether(option: string, rule: string, parts: object): ConfigRangeError {
  const each = Object.entries(parts).map(([name, value]) => `${name}: ${shown(value)}`);
  return new ConfigRangeError(`option "${option}" must be: ${rule}; got { ${each.join(', ')} }`);
}

/** No secret is shorter: what is may be shown, and is mostly a word that was misspelt. */
const SHORT = 16;

/** A value for an error message. What stands in the wrong place may be a secret, a URL with a password, or data. */
function shown(value: unknown): string {
  if (typeof value === 'string' && value.length >= SHORT) return `a string of ${value.length} characters`;
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  return isObject(value) ? 'an object' : inspect(value);
}
