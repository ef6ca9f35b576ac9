import type { Scenario } from '../scenario.js';
import { DATA } from './data.js';
import { INSTANCES } from './instances.js';
import { NETWORK } from './network.js';
import { PROCESSES } from './processes.js';
import { SERVER } from './server.js';

export const SCENARIOS: readonly Scenario[] = [...PROCESSES, ...NETWORK, ...SERVER, ...DATA, ...INSTANCES];
