import { createHash, timingSafeEqual } from 'node:crypto';

/** Takes the same time wherever the two begin to differ, and however long they are. */
export function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

/** The same for the same password, on every instance and after a restart: a session that has another one is over. */
export function fingerprint(password: string): string {
  return digest(`password-gate:${password}`).toString('base64url');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
