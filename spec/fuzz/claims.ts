import type { Claim } from './claim.js';
import { COOKIE_CLAIMS } from './cookie-claims.js';
import { DATA_CLAIMS } from './data-claims.js';
import { ENVELOPE_CLAIMS } from './envelope-claims.js';
import { OPTION_CLAIMS } from './option-claims.js';
import { RECORD_CLAIMS } from './record-claims.js';
import { TOKEN_CLAIMS } from './token-claims.js';

/** All that is claimed of input that others have made. */
export const CLAIMS: readonly Claim[] = [
  ...TOKEN_CLAIMS,
  ...ENVELOPE_CLAIMS,
  ...RECORD_CLAIMS,
  ...COOKIE_CLAIMS,
  ...OPTION_CLAIMS,
  ...DATA_CLAIMS,
];
