import { type Clock, systemClock } from '../../src/clock.js';

/** The clock of the machine, but no timer ever runs out: nothing is sent in the background, canaries least of all. */
export function timerlessClock(): Clock {
  return { ...systemClock(), after: () => ({ cancel: () => undefined }) };
}
