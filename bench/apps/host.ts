import { createServer } from 'node:http';
import { obey } from '../support/orders.js';
import { startProfile, stopProfile } from '../support/profiler.js';
import type { AppModule } from './contestants.js';
import { listen } from './listen.js';

/** One contestant, in a process of its own: `node host.js <file> <url of Redis>`. */
const [file = '', url = ''] = process.argv.slice(2);
const { start } = (await import(`./${file}.js`)) as AppModule;
const port = await listen(createServer(await start(url)));
obey({ port: () => port, cpuMs, startProfile, stopProfile });

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
