import type { Scenario } from '../scenario.js';
import { PROCESSES } from './processes.js';

export const SCENARIOS: readonly Scenario[] = [...PROCESSES];
