import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';

/** Whose code this process ran, µs of its time for each. */
export type Shares = Readonly<Record<string, number>>;

const INTERVAL = 200;
let session: Session | undefined;

export async function startProfile(): Promise<void> {
  session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
  await session.post('Profiler.start');
}

export async function stopProfile(): Promise<Shares> {
  if (!session) throw new Error('no profile was begun');
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  session = undefined;
  return sharesOf(profile);
}

type Node = Profiler.ProfileNode;

/** What an engine or Node does for somebody counts as theirs: nearest caller first. */
function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Shares {
  const byId = new Map(nodes.map(node => [node.id, node]));
  const callers = new Map<number, Node>();
  for (const node of nodes) for (const child of node.children ?? []) callers.set(child, node);
  const shares: Record<string, number> = {};
  samples.forEach((id, index) => {
    const node = byId.get(id);
    const owner = node && (engineOf(node) ?? ownerOf(node, callers));
    if (owner !== undefined && owner !== IDLE)
      shares[owner] = (shares[owner] ?? 0) + (timeDeltas[index] ?? 0);
  });
  return shares;
}

const IDLE = 'idle';
const NODE = 'Node: HTTP, streams, promises';

function engineOf({ callFrame: { functionName } }: Node): string | undefined {
  if (functionName === '(idle)') return IDLE;
  if (functionName === '(garbage collector)') return 'the garbage collector';
  return functionName === '(program)' ? NODE : undefined;
}

function ownerOf(node: Node, callers: ReadonlyMap<number, Node>): string {
  for (let at: Node | undefined = node; at; at = callers.get(at.id)) {
    const owner = packageOf(at.callFrame.url);
    if (owner !== undefined) return owner;
  }
  return NODE;
}

function packageOf(url: string): string | undefined {
  const [, layer] = /\/dist\/src\/(?:(\w+)\/)?[\w-]+\.js$/.exec(url) ?? [];
  if (layer !== undefined) return `this library: ${layer}`;
  if (url.includes('/dist/src/')) return 'this library: clock';
  if (url.includes('/dist/bench/')) return 'the app';
  const [, name] = /.*\/node_modules\/(@?\w+)/.exec(url) ?? [];
  if (name === undefined) return undefined;
  return name === '@redis' || name === 'redis' ? 'node-redis' : 'Koa and its packages';
}
