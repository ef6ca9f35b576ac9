import type { TcpProxy } from '../../support/tcp-proxy.js';
import type { Lab } from '../lab.js';
import type { Scenario } from '../scenario.js';

const setup = { proxied: true } as const;

function both(lab: Lab, act: (proxy: TcpProxy) => void): void {
  lab.proxies.forEach(act);
}

function mode(name: string, fault: string, bad: TcpProxy['mode']): Scenario {
  return {
    name,
    fault,
    setup,
    begin: ({ lab }) => both(lab, proxy => (proxy.mode = bad)),
    end: ({ lab }) => both(lab, proxy => (proxy.mode = 'pass')),
  };
}

function slow(name: string, fault: string, ms: number): Scenario {
  return {
    name,
    fault,
    setup,
    begin: ({ lab }) => both(lab, proxy => (proxy.delay = ms)),
    end: ({ lab }) => both(lab, proxy => (proxy.delay = 0)),
  };
}

/** What can become of the network between the instances and Redis. */
export const NETWORK: readonly Scenario[] = [
  mode('blackhole', 'every packet is lost, connections stay open', 'blackhole'),
  mode('lost-requests', 'packets are lost on the way to Redis', 'drop-requests'),
  mode(
    'lost-replies',
    'packets are lost on the way back: writes are applied and not answered',
    'drop-replies',
  ),
  mode('refused', 'every connection is closed as soon as it is made', 'refuse'),
  slow('slow', '60 ms each way: slower, but within the deadline', 60),
  slow('too-slow', '200 ms each way: each answer comes too late', 200),
  {
    name: 'throttle',
    fault: '20 KB a second each way',
    setup,
    begin: ({ lab }) => both(lab, proxy => (proxy.rate = 20_000)),
    end: ({ lab }) => both(lab, proxy => (proxy.rate = Infinity)),
  },
  {
    name: 'reset',
    fault: 'every connection reset, five times a second',
    setup,
    begin: ({ lab }) => lab.repeat(200, () => both(lab, proxy => proxy.reset())),
    end: ({ lab }) => lab.stopRepeating(),
  },
  {
    name: 'applied-reset',
    fault: 'five times a second, replies lost after the write was applied, then a reset',
    setup,
    begin: ({ lab }) =>
      lab.repeat(100, round => both(lab, proxy => (proxy.mode = round % 2 === 0 ? 'drop-replies' : 'pass'))),
    end: async ({ lab }) => {
      await lab.stopRepeating();
      both(lab, proxy => (proxy.mode = 'pass'));
    },
  },
  {
    name: 'flapping',
    fault: 'there and away ten times a second',
    setup,
    hold: 2_500,
    begin: ({ lab }) =>
      lab.repeat(50, round => both(lab, proxy => (proxy.mode = round % 2 === 0 ? 'refuse' : 'pass'))),
    end: async ({ lab }) => {
      await lab.stopRepeating();
      both(lab, proxy => (proxy.mode = 'pass'));
    },
  },
  {
    name: 'cut-one',
    fault: 'A is cut off while B is not; both write, and users log out at each',
    setup,
    begin: ({ lab }) => {
      lab.proxy('A').mode = 'blackhole';
    },
    end: ({ lab }) => {
      lab.proxy('A').mode = 'pass';
    },
  },
];
